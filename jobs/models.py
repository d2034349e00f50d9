"""What must survive a crash. Postgres is the truth: a message is only a wake-up, a worker only borrows a row."""

import uuid

from django.db import models
from django.db.models.functions import Now


class Chunk(models.Model):
    """Up to 1 MB of content, keyed by its sha256. Bytes go in and out through jobs.store's raw cursor, never through the ORM."""

    sha256 = models.BinaryField(primary_key=True, max_length=32)
    size = models.IntegerField()
    data = models.BinaryField()
    last_seen = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "store_chunk"


class Blob(models.Model):
    """A whole file as a list of chunks. sha256 is null while an upload is still coming in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, null=True, db_index=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "store_blob"


class BlobPart(models.Model):
    blob = models.ForeignKey(Blob, models.CASCADE, related_name="parts")
    n = models.IntegerField()
    start = models.BigIntegerField(default=0)   # offset of this part's first byte in the blob
    chunk = models.ForeignKey(Chunk, models.PROTECT, db_column="sha256")

    class Meta:
        db_table = "store_blob_part"
        constraints = [
            models.UniqueConstraint(fields=["blob", "n"], name="one_part_per_place"),
            models.UniqueConstraint(fields=["blob", "start"], name="one_part_per_offset"),
        ]


class Asset(models.Model):
    """A model or dataset in a team's library: uploaded, or made by a job. Immutable once it is ready."""

    class Kind(models.TextChoices):
        MODEL = "model"
        DATASET = "dataset"

    class State(models.TextChoices):
        INSPECTING = "inspecting"
        READY = "ready"
        REJECTED = "rejected"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("teams.Team", models.CASCADE, related_name="assets")
    kind = models.CharField(max_length=10, choices=Kind)
    name = models.CharField(max_length=120)
    filename = models.CharField(max_length=255)
    blob = models.ForeignKey(Blob, models.PROTECT)
    state = models.CharField(max_length=12, choices=State, default=State.INSPECTING)
    card = models.JSONField(null=True)          # ModelCard or DatasetCard
    refusal = models.JSONField(null=True)       # Refusal, when rejected
    options = models.JSONField(default=dict)    # architecture (safetensors), preprocessing, target column
    made_by = models.ForeignKey("Job", models.SET_NULL, null=True, related_name="made")
    created_by = models.ForeignKey("teams.User", models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["team", "kind", "-created_at"])]


class Job(models.Model):
    """One request. The queued row is the outbox; `lease_token` fences every later write (see claim.py)."""

    class Kind(models.TextChoices):
        INSPECT = "inspect"
        FIT = "fit"

    class State(models.TextChoices):
        QUEUED = "queued"
        RUNNING = "running"
        SUCCEEDED = "succeeded"
        FAILED = "failed"
        CANCELLED = "cancelled"

    FINAL = (State.SUCCEEDED, State.FAILED, State.CANCELLED)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    team = models.ForeignKey("teams.Team", models.CASCADE, related_name="jobs")
    number = models.IntegerField()              # per team and kind, shown as fit-0214
    kind = models.CharField(max_length=10, choices=Kind)
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.QUEUED)
    capability = models.CharField(max_length=12, default="cpu")

    asset = models.ForeignKey(Asset, models.CASCADE, null=True, related_name="inspections")     # kind=inspect
    model = models.ForeignKey(Asset, models.PROTECT, null=True, related_name="+")
    dataset = models.ForeignKey(Asset, models.PROTECT, null=True, related_name="+")
    device = models.JSONField(null=True)        # the Device as it was when the job was submitted
    goal = models.JSONField(default=dict)
    budget = models.JSONField(default=dict)
    recipe = models.JSONField(null=True)        # None: plan for me
    preprocessing = models.JSONField(null=True)     # some fields of a Preprocessing; None: as the model says, or found
    seed = models.IntegerField(default=0)
    replay_of = models.ForeignKey("self", models.SET_NULL, null=True, related_name="replays")

    created_by = models.ForeignKey("teams.User", models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    attempt = models.IntegerField(default=0)
    max_attempts = models.IntegerField(default=3)
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    cancel_requested = models.BooleanField(default=False)

    progress = models.FloatField(default=0.0)
    step = models.CharField(max_length=200, blank=True)
    note = models.TextField(blank=True)
    eta_seconds = models.FloatField(null=True)
    plan = models.JSONField(default=list)       # events.Step dumps
    result = models.JSONField(null=True)        # events.Done dump
    error = models.JSONField(null=True)         # events.Failed dump; "ours" carries an id to quote and no trace

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "kind", "number"], name="one_job_per_number")]
        indexes = [
            models.Index(fields=["team", "-created_at"]),
            models.Index(fields=["created_at"], name="job_queue", condition=models.Q(state="queued")),
            models.Index(fields=["lease_until"], name="job_lease", condition=models.Q(state="running")),
        ]


class Attempt(models.Model):
    """One try at a job by one worker."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="attempts")
    number = models.IntegerField()
    worker = models.CharField(max_length=120)
    cage = models.CharField(max_length=40, blank=True)      # the rung that was used: bwrap, landlock, rlimits
    versions = models.JSONField(default=dict)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=20, blank=True)   # succeeded, failed, cancelled, lost, released
    detail = models.TextField(blank=True)                   # for the log, never for the page
    peak_bytes = models.BigIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="one_row_per_attempt")]


class Event(models.Model):
    """What the child said, in the order it was stored; `id` is the cursor browsers follow."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="events")
    type = models.CharField(max_length=12)
    data = models.JSONField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        indexes = [models.Index(fields=["job", "id"])]


class Candidate(models.Model):
    """One measured model of a job, with its artifacts. `data` is an optimizers.candidate.Candidate, dumped."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="candidates")
    key = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    baseline = models.BooleanField(default=False)
    fits = models.BooleanField(default=False)
    quality = models.FloatField(null=True)      # of the goal's metric, test split
    size_kib = models.FloatField(null=True)
    data = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "key"], name="one_candidate_per_key")]


class Artifact(models.Model):
    """A downloadable file of a candidate."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(Job, models.CASCADE, related_name="artifacts")
    candidate = models.ForeignKey(Candidate, models.CASCADE, null=True, related_name="artifacts")
    role = models.CharField(max_length=12)
    name = models.CharField(max_length=120)
    media_type = models.CharField(max_length=80, default="application/octet-stream")
    blob = models.ForeignKey(Blob, models.PROTECT)
    created_at = models.DateTimeField(db_default=Now())


class Checkpoint(models.Model):
    """A file of a running attempt that a later one gets back; dropped when the job ends."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="checkpoints")
    path = models.CharField(max_length=200)
    blob = models.ForeignKey(Blob, models.PROTECT)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "path"], name="one_checkpoint_per_path")]


class Worker(models.Model):
    """Who works here, as they last said themselves; a row older than a minute is somebody who left."""

    name = models.CharField(primary_key=True, max_length=120)
    capabilities = models.JSONField(default=list)
    cage = models.CharField(max_length=40, blank=True)
    cage_detail = models.JSONField(default=dict)            # what each rung's probe answered
    cores = models.IntegerField(default=1)
    memory_bytes = models.BigIntegerField(default=0)
    busy_with = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    seen_at = models.DateTimeField(db_default=Now())
