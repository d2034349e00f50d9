"""A team with everything in it, made directly in the database: for page tests and screenshots. All figures are invented.

    garden = plant()            # needs the database; returns a Garden
    garden.alice, garden.team, garden.done, garden.running, garden.failed, garden.queued ...
"""

import hashlib
import random
import tempfile
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.contrib.auth.hashers import make_password
from django.utils import timezone

from jobs import store
from jobs.models import Artifact, Asset, Attempt, Blob, Event, Job, Worker
from jobs.models import Candidate as CandidateRow
from optimizers.candidate import Candidate, ClassRow, Fidelity, File, Outcome, Sensitivity
from optimizers.cards import DatasetCard, Layer, ModelCard, Problem, Tensor
from optimizers.desk import card_of
from optimizers.device import Device, catalogue
from optimizers.errors import Refusal
from optimizers.events import Curve, Done, Failed, Log, Step
from optimizers.goal import Breach, Goal, Limits
from optimizers.measurement import Change, Measurement
from webapp.teams.models import Membership, Role, Team, User

PASSWORD = "espaliered-pears"
CLASSES = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
GOAL = Goal(metric="top1", max_drop=0.01, limits=Limits(flash_kib=64, ram_kib=48, latency_ms=40, energy_mj=12))
# title, top-1 %, change, low, high, size KiB, ram KiB, latency ms, validation
FOUND = (
    ("baseline", 91.1, None, None, None, 312.0, 201.3, 148.0, 0.9152),
    ("int8", 91.1, 0.0, -0.2, 0.2, 95.0, 50.3, 71.2, 0.9148),
    ("prune 50 % + fine-tune + int8", 90.7, -0.4, -0.7, -0.1, 38.2, 26.1, 30.2, 0.9110),
    ("int8, 2 layers in float", 90.5, -0.6, -0.9, -0.3, 57.3, 50.3, 69.0, 0.9095),
    ("prune 30 % + fine-tune + int8", 91.0, -0.1, -0.4, 0.1, 61.8, 41.2, 46.9, 0.9141),
    ("prune 40 % + fine-tune + int8", 90.9, -0.2, -0.5, 0.1, 47.6, 31.9, 36.9, 0.9128),
    ("prune 60 % + fine-tune + int8", 90.3, -0.8, -1.2, -0.5, 28.9, 20.4, 22.1, 0.9071),
    ("prune 70 % + fine-tune + int8", 88.9, -2.2, -2.7, -1.7, 21.0, 14.8, 14.9, 0.8920),
    ("fp16", 91.1, 0.0, -0.1, 0.1, 158.0, 201.3, 148.0, 0.9152),
)


@dataclass
class Garden:
    team: Team
    alice: User         # owner
    bob: User           # viewer
    carol: User         # a stranger, with a team of her own
    empty: Team         # Carol's, with nothing in it
    model: Asset
    dataset: Asset
    refused: Asset
    done: Job
    running: Job
    queued: Job
    failed: Job
    broken: Job         # failed, and it is our fault
    stopped: Job
    barren: Job         # succeeded, and nothing fits


def plant() -> Garden:
    alice, bob, carol = (person(name) for name in ("Alice Moreau", "Bob Achebe", "Carol Lindqvist"))
    team = Team.objects.create(name="Orchard Sensing", slug="orchard-sensing")
    empty = Team.objects.create(name="Walled Garden", slug="walled-garden")
    Membership.objects.create(team=team, user=alice, role=Role.OWNER)
    Membership.objects.create(team=team, user=bob, role=Role.VIEWER)
    Membership.objects.create(team=empty, user=carol, role=Role.OWNER)
    model = asset(team, alice, "garments-resnet8", "garments-resnet8.onnx", Asset.Kind.MODEL, model_card())
    dataset = asset(team, alice, "Fashion-MNIST", "fashion.npz", Asset.Kind.DATASET, dataset_card())
    refused = asset(team, alice, "classifier", "classifier.pkl", Asset.Kind.MODEL, None, Refusal(
        wrong="A pickle is code, and opening it would run it.", where="classifier.pkl",
        mend="Export the model as ONNX, or save its weights as safetensors.", code="pickle"))
    make = Maker(team, alice, model, dataset)
    garden = Garden(team, alice, bob, carol, empty, model, dataset, refused, done=make.done(), running=make.running(), queued=make.queued(),
                    failed=make.failed(), broken=make.broken(), stopped=make.stopped(), barren=make.barren())
    Worker.objects.create(name="oak-2", capabilities=["cpu"], cage="bwrap", cores=2, memory_bytes=4 * 1024**3, busy_with=garden.running)
    return garden


def person(name: str) -> User:
    user = User(email=f"{name.split()[0].lower()}@example.org", name=name, password=password())
    user.save()
    return user


@cache
def password() -> str:
    """Hashed once: the hash is slow on purpose."""
    return make_password(PASSWORD)


def asset(team: Team, user: User, name: str, filename: str, kind: str, card: Any, refusal: Refusal | None = None) -> Asset:
    state = Asset.State.READY if card else Asset.State.REJECTED
    return Asset.objects.create(
        team=team, kind=kind, name=name, filename=filename, blob=store.put([filename.encode() * 700]), state=state, created_by=user,
        card=card.model_dump(mode="json") if card else None, refusal=refusal.model_dump(mode="json") if refusal else None)


def model_card() -> ModelCard:
    layers = tuple(Layer(name=f"b{n}.conv{m}", operator="Conv", input_shape=(16 * n, 14, 14), output_shape=(16 * n, 14, 14),
                         parameters=2304 * n, macs=1_800_000 * n) for n in (1, 2, 3) for m in (1, 2))
    return ModelCard(kind="onnx", family="network", title="ONNX network, opset 17", task="classification",
                     inputs=(Tensor(name="image", dtype="float32", shape=(None, 1, 28, 28)),),
                     outputs=(Tensor(name="scores", dtype="float32", shape=(None, 10)),), classes=10, parameters=78_042, macs=12_500_000,
                     activation_bytes=201_300, opset=17, operators={"Conv": 9, "Relu": 7, "Add": 3, "Gemm": 1, "GlobalAveragePool": 1},
                     layers=layers, problems=(Problem(severity="info", wrong="Batch norm is folded into convolutions.", code="folded"),))


def dataset_card() -> DatasetCard:
    return DatasetCard(kind="array", title="Pictures as an array, 70,000 rows", rows=70_000,
                       splits={"train": 51_000, "validation": 9_000, "test": 10_000}, classes=CLASSES, class_counts=(7_000,) * 10,
                       split_how="declared train and test; validation is 15 % of train, by content hash", row_shape=(1, 28, 28))


def table(garden: "Garden") -> Asset:
    """A table as inspection really saw it: dates, gaps, a leak, labels with dots, and one type that somebody said."""
    draw, made = random.Random(4), ["house,moved_in,rooms,area_m2,heating,postcode,note,billed_eur,class"]
    for i in range(600):
        area, gas = round(draw.gauss(90, 25), 1), draw.choice(("gas", "gas", "oil", "heat pump"))
        high = area > 95 or gas == "oil"
        moved = date(2019, 1, 1) + timedelta(days=draw.randrange(2000))
        made.append(f"{i + 1},{moved},{draw.randint(1, 7)},{'' if 100 < i < 180 or i % 9 == 0 else area},{'NA' if i % 31 == 0 else gas},"
                    f"{draw.choice((10115, 20095, 50667))},note {draw.random():.9f},{2000 + i if high else 900 + i},"
                    f"{('low', 'high')[high]}{'.' if i > 500 else ''}")
    options = {"types": {"postcode": "category"}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "heating.csv"
        path.write_text("\n".join(made))
        card = card_of(path, options)
    row = asset(garden.team, garden.alice, "Heating costs", "heating.csv", Asset.Kind.DATASET, card)
    Asset.objects.filter(pk=row.pk).update(options=options)
    row.refresh_from_db()
    return row


def inspecting(garden: "Garden") -> Asset:
    """A large table, half of it seen."""
    row = asset(garden.team, garden.alice, "A year of meters", "meters.csv", Asset.Kind.DATASET, dataset_card())
    Asset.objects.filter(pk=row.pk).update(state=Asset.State.INSPECTING, card=None)
    Job.objects.create(team=garden.team, number=77, kind=Job.Kind.INSPECT, title="Inspect A year of meters", asset=row, progress=0.43,
                       state=Job.State.RUNNING, note="looking: 8,610,000 rows", eta_seconds=80.0)
    return row


def device() -> Device:
    return catalogue()["stm32h743"]


@dataclass
class Maker:
    """Jobs of one team, one method for each way a job can stand."""

    team: Team
    user: User
    model: Asset
    dataset: Asset
    number: int = 208
    blobs: dict[bytes, Blob] = field(default_factory=dict)

    def job(self, state: str, minutes_ago: float, took: float = 27, title: str = "garments-resnet8 for STM32H743ZI", goal: Goal = GOAL,
            **fields: Any) -> Job:
        self.number += 1
        started = timezone.now() - timedelta(minutes=minutes_ago)
        ended = started + timedelta(minutes=took) if state in Job.FINAL else None
        job = Job.objects.create(
            team=self.team, number=self.number, kind=Job.Kind.FIT, title=title, state=state, model=self.model, dataset=self.dataset,
            device=device().model_dump(mode="json"), goal=goal.model_dump(mode="json"), budget={"minutes": 30.0, "candidates": None},
            seed=7, created_by=self.user, started_at=started if state != Job.State.QUEUED else None, finished_at=ended, **fields)
        Job.objects.filter(pk=job.pk).update(created_at=started)
        if state != Job.State.QUEUED:
            Attempt.objects.create(job=job, number=1, worker="oak-2", cage="bwrap", started_at=started, ended_at=ended,
                                   peak_bytes=1_400_000_000,
                                   outcome=state if ended else "", versions={"torch": "2.13.0", "onnxruntime": "1.32.0"})
        job.refresh_from_db()
        return job

    def done(self) -> Job:
        keys = {title: key_of(title) for title, *_ in FOUND}
        best = keys["prune 50 % + fine-tune + int8"]
        job = self.job(Job.State.SUCCEEDED, 60, result=Done(
            recommended=best, front=tuple(keys.values())[:4], verdict="It fits. 8.2 times smaller, 0.4 points lost.",
            ).model_dump(mode="json"),
            plan=plan(done=9), progress=1.0)
        self.keep(job, FOUND)
        curves(job, best)
        talk(job)
        return job

    def running(self) -> Job:
        job = self.job(Job.State.RUNNING, 14, plan=plan(done=5), progress=0.58, step="fit-40", eta_seconds=660,
                       note="Fine-tuning after pruning 40 %, epoch 7 of 12")
        self.keep(job, (*FOUND[:3], FOUND[3], FOUND[4]))
        curves(job, key_of("prune 40 % + fine-tune + int8"))
        talk(job)
        return job

    def queued(self) -> Job:
        return self.job(Job.State.QUEUED, 1, title="garments-resnet8 for ESP32-S3")

    def failed(self) -> Job:
        error = Failed(stage="int8", node="/up/Resize_1", refusal=Refusal(
            wrong='Resize with mode "cubic" has no integer form.', where="/up/Resize_1",
            mend='Use mode "nearest", or choose a device with float.', code="no-integer-form"))
        steps = plan(done=3)
        steps[3] |= {"state": "failed", "seconds": 0.4}
        job = self.job(Job.State.FAILED, 200, took=8, title="sharpen-unet for STM32H743ZI", error=error.model_dump(mode="json"), plan=steps)
        self.keep(job, FOUND[:3])
        talk(job)
        say(job, "error", "int8", 'Resize with mode "cubic" has no integer form. [/up/Resize_1]')
        return job

    def broken(self) -> Job:
        error = Failed(stage="measure", fault="ours", refusal=Refusal(wrong="Something broke on our side.", where="7F3A-21B0", code="ours"))
        return self.job(Job.State.FAILED, 300, took=1, error=error.model_dump(mode="json"), plan=plan(done=1))

    def stopped(self) -> Job:
        job = self.job(Job.State.CANCELLED, 500, took=3, plan=plan(done=2))
        self.keep(job, FOUND[:2])
        return job

    def barren(self) -> Job:
        goal = GOAL.model_copy(update={"limits": Limits(ram_kib=12)})
        job = self.job(Job.State.SUCCEEDED, 900, took=12, goal=goal, result=Done(verdict="").model_dump(mode="json"), plan=plan(done=9))
        self.keep(job, FOUND, goal)
        return job

    def keep(self, job: Job, rows: tuple, goal: Goal = GOAL) -> None:
        for row in rows:
            candidate = make_candidate(row, goal)
            stored = CandidateRow.objects.create(
                job=job, key=candidate.key, title=candidate.title, baseline=candidate.baseline, fits=candidate.fits,
                quality=candidate.measurements["top1"].value, size_kib=candidate.measurements["size_kib"].value,
                data=candidate.model_dump(mode="json"))
            Artifact.objects.bulk_create(Artifact(job=job, candidate=stored, role=file.role, name=file.name, media_type=file.media_type,
                                                  blob=self.blob(content(candidate.title, file))) for file in candidate.files)

    def blob(self, text: bytes) -> Blob:
        """Equal content is stored once."""
        if text not in self.blobs:
            self.blobs[text] = store.put([text])
        return self.blobs[text]


def key_of(title: str) -> str:
    return hashlib.sha256(title.encode()).hexdigest()[:12]


def plan(done: int) -> list[dict[str, Any]]:
    titles = ["Inspect and baseline", *(title for title, *_ in FOUND[1:]), "Measure the front again"]
    seconds = [38, 41, 287, 182, 271, 210, 420, 180, 120, 60]
    steps = []
    for n, (title, expected) in enumerate(zip(titles, seconds, strict=True)):
        state = "done" if n < done else "running" if n == done else "waiting"
        note = "91.1 % on the test split" if n == 0 else "fine-tune, epoch 7 of 12" if state == "running" else ""
        steps.append(Step(key=f"s{n}", title=title, state=state, expected_seconds=expected, seconds=expected * 1.07 if n < done else None,
                          note=note).model_dump(mode="json"))
    return steps


README = """# How to run it

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
row = np.zeros((1, 1, 28, 28), np.float32)  # put your own rows here
print(session.run(["scores"], {"image": row})[0].argmax(axis=1))
```
"""


def content(title: str, file: File) -> bytes:
    """A model's bytes are its own; the other files are the same for all, and stored once."""
    of = title if file.role == "model" else ""
    return README.encode() if file.role == "readme" else (f"{of} {file.name} ".encode() * (file.bytes // 10 + 1))[:file.bytes]


def make_candidate(row: tuple, goal: Goal) -> Candidate:
    title, top1, change, low, high, size, ram, latency, validation = row
    baseline = change is None
    m = measurements(top1 / 100, size, ram, latency)
    broke = tuple(breaches(m, goal))
    return Candidate(
        key=key_of(title), title=title, baseline=baseline, recipe={"espalier": "0.1.0", "seed": 7, "steps": recipe_steps(title)},
        measurements=m, validation=validation, fits=not broke and (baseline or change >= -1.0), broke=broke,
        change=None if baseline else Change(value=change, low=low, high=high, n=10_000, how="paired bootstrap over the test rows",
                                            verdict="worse" if high < 0 else "better" if low > 0 else "not distinguishable"),
        floor_held_on_test=None if baseline else change >= -1.0, steps=() if baseline else outcomes(title, size, validation),
        class_names=CLASSES, confusion=confusion(top1), classes=() if baseline else class_rows(change),
        sensitivity=sensitivities() if "int8" in title else (), files=files(size),
        notes=() if baseline else ("9 of 9 convolutions run in int8.",) if "int8" in title else ("Stored in half, computed in float.",))


def measurements(top1: float, size: float, ram: float, latency: float) -> dict[str, Measurement]:
    here = "ONNX Runtime 1.32.0 on this server, 1 thread, batch 1, median of 200, interleaved with the baseline"
    return {
        "top1": Measurement(value=top1, unit="fraction", origin="measured", low=top1 - 0.006, high=top1 + 0.006, n=10_000,
                            how="test split"),
        "macro_f1": Measurement(value=top1 - 0.001, unit="fraction", origin="measured", low=top1 - 0.007, high=top1 + 0.005, n=10_000,
                                how="test split"),
        "size_kib": Measurement(value=size, unit="KiB", origin="measured", how="bytes of the file / 1024"),
        "download_kib": Measurement(value=size * 0.84, unit="KiB", origin="measured",
                                    how="Bytes of model.onnx under DEFLATE (zlib, level 9) / 1024"),
        "flash_kib": Measurement(value=size + 2.1, unit="KiB", origin="modelled", how="weights and 2.1 KiB of code"),
        "ram_kib": Measurement(value=ram, unit="KiB", origin="modelled", how="peak of live activations and a 4 KiB stack"),
        "device_latency_ms": Measurement(value=latency, unit="ms", origin="modelled", low=latency * 0.88, high=latency * 1.12,
                                         how="MACs / (MACs per cycle x clock); off by 12 % on published results"),
        "latency_ms": Measurement(value=latency / 330, unit="ms", origin="measured", low=latency / 340, high=latency / 320, n=200,
                                  how=here),
        "speedup": Measurement(value=148 / latency, unit="times", origin="measured", how=here),
        "energy_mj": Measurement(value=latency * 0.28, unit="mJ", origin="modelled", how="latency x 280 mW"),
        "macs": Measurement(value=12.5e6 * size / 312, unit="MACs", origin="measured", how="counted from the graph"),
    }


def breaches(m: dict[str, Measurement], goal: Goal) -> list[Breach]:
    found = []
    for limit, key, unit, word in (("flash_kib", "flash_kib", "KiB", "flash"), ("ram_kib", "ram_kib", "KiB", "RAM"),
                                   ("latency_ms", "device_latency_ms", "ms", "latency"), ("energy_mj", "energy_mj", "mJ", "energy")):
        allowed = getattr(goal.limits, limit)
        if allowed is not None and (over := m[key].value - allowed) > 0:
            found.append(Breach(limit=limit, value=m[key].value, allowed=allowed, by=over, unit=unit,
                                sentence=f"{word} by {over:.3g} {unit}"))
    return found


def recipe_steps(title: str) -> list[dict[str, Any]]:
    steps = []
    if "prune" in title:
        steps.append({"technique": "prune-channels", "params": {"share": int(title.split()[1]) / 100}, "version": 1})
        steps.append({"technique": "fine-tune", "params": {"epochs": 12}, "version": 1})
    if "int8" in title:
        steps.append({"technique": "quantize-static", "params": {"per_channel": True}, "version": 1})
    return steps


def outcomes(title: str, size: float, validation: float) -> tuple[Outcome, ...]:
    if "prune" not in title:
        return (Outcome(technique="quantize-static", title=title, seconds=11, size_kib=size, quality=validation),)
    float_size = size * 3.15
    return (Outcome(technique="prune-channels", title=title.split(" +")[0], seconds=2, size_kib=float_size, quality=validation - 0.045),
            Outcome(technique="fine-tune", title="fine-tune", seconds=250, size_kib=float_size, quality=validation + 0.001),
            Outcome(technique="quantize-static", title="int8", seconds=11, size_kib=size, quality=validation))


def class_rows(change: float) -> tuple[ClassRow, ...]:
    before = (86.9, 98.4, 87.4, 92.3, 86.5, 97.9, 69.7, 97.1, 98.2, 96.6)
    moved = (-0.2, 0.1, -0.6, -0.3, -0.8, 0.0, -1.6, -0.2, -0.1, -0.1)
    scale = abs(change) / 0.4 if change else 0.2
    rows = []
    for name, was, by in zip(CLASSES, before, moved, strict=True):
        by, half = by * scale, 0.4 + abs(by) * 0.38
        rows.append(ClassRow(name=name, n=1000, before=was / 100, after=(was + by) / 100, low=by - half, high=by + half))
    return tuple(rows)


def confusion(top1: float) -> tuple[tuple[int, ...], ...]:
    dice = random.Random(5)
    rows = []
    for i in range(10):
        row = [dice.randint(0, 12) for _ in range(10)]
        wrong = int((100 - top1) * 10 * (2.5 if i == 6 else 0.8))
        row = [count * wrong // max(1, sum(row)) for count in row]
        row[i] = 1000 - sum(row) + row[i]
        rows.append(tuple(row))
    return tuple(rows)


def sensitivities() -> tuple[Sensitivity, ...]:
    losses = {"conv1": (0.1, 2.9, 1.9), "b1.conv1": (0.0, 0.4, 0.4), "b1.conv2": (0.0, 0.3, 0.3), "b2.conv1": (0.0, 0.3, 0.2),
              "b2.skip": (0.0, 0.5, 0.7), "b3.conv1": (-0.1, 0.2, 0.1), "fc": (0.0, 0.6, None)}
    return tuple(Sensitivity(layer=layer, operator="Conv", treatment=treatment, loss=loss,
                             kept_float=layer == "conv1" and treatment == "int4",
                             why="costs most" if layer == "conv1" and treatment == "int4" else "")
                 for layer, row in losses.items() for treatment, loss in zip(("int8", "int4", "prune 50 %"), row, strict=True)
                 if loss is not None)


def files(size: float) -> tuple[File, ...]:
    def file(role: str, name: str, count: int, kind: str) -> File:
        return File(role=role, name=name, path=f"c/{name}", bytes=count, sha256=hashlib.sha256(name.encode()).hexdigest(), media_type=kind)

    return (file("model", "model.onnx", int(size * 1024), "application/octet-stream"), file("recipe", "recipe.yaml", 1200, "text/yaml"),
            file("report", "report.json", 48_000, "application/json"), file("readme", "README.md", 2100, "text/markdown"))


def curves(job: Job, key: str) -> None:
    for epoch in range(1, 8):
        fall = 0.45 * 0.78**epoch
        for name, y in (("train loss", 0.15 + fall * 1.15), ("validation loss", 0.24 + fall), ("validation top1", 0.918 - fall * 0.12)):
            say_event(job, Curve(candidate=key, name=name, x=epoch, y=round(y, 4)))
        for number, layer in enumerate(layer for block in range(1, 8) for layer in (f"blocks.{block}.conv1", f"blocks.{block}.conv2",
                                                                                    f"blocks.{block}.shortcut")):
            least = 0.04 + 0.5 * 0.82**number
            say_event(job, Curve(candidate=key, name=f"density of {layer}", x=epoch, y=round(max(least, 1 - (1 - least) * epoch / 5), 4)))


def talk(job: Job) -> None:
    say(job, "info", "measure", "candidate 5 of 14: prune 30 % + int8, 61.8 KiB flash, top-1 91.0 %")
    say(job, "info", "plan", "next: prune 40 % + int8, because 30 % misses latency by 17 %")
    say(job, "info", "prune", "removed 78 of 192 channels (conv1 kept whole: sensitivity 1.9 points at 50 %)")
    say(job, "warning", "prune", "b2.skip keeps 20 of 32 channels: fewer would break the Add at b2.add")
    say(job, "info", "fine-tune", "epoch 6: train loss 0.214, validation loss 0.268, validation top-1 91.6 %")


def say(job: Job, level: str, topic: str, text: str) -> None:
    say_event(job, Log(level=level, topic=topic, text=text))


def say_event(job: Job, event: Any) -> None:
    Event.objects.create(job=job, type=event.type, data=event.model_copy(update={"at": timezone.now().timestamp()}).model_dump(mode="json"))


def faithful(garden: Garden) -> Job:
    """A finished job of a face detector on pictures without labels: judged by its fidelity to the original."""
    detector = ModelCard(
        kind="onnx", family="network", title="ONNX network, opset 17", task="other", scores=("scores",), parameters=264_732,
        macs=81_410_560,
        inputs=(Tensor(name="input", dtype="float32", shape=(None, 3, 240, 320)),),
        outputs=(Tensor(name="scores", dtype="float32", shape=(None, 4420, 2)),
                 Tensor(name="boxes", dtype="float32", shape=(None, 4420, 4))),
        activation_bytes=3_686_400, opset=17, operators={"Conv": 42, "Relu": 34},
        layers=tuple(Layer(name=f"{174 + 3 * n}", operator="Conv", input_shape=(16, 60, 80), output_shape=(16, 60, 80),
                           parameters=2320 + 90 * n, macs=11_059_200 // (1 + n % 7)) for n in range(42)))
    photos = DatasetCard(
        kind="images", title="Pictures without labels, 750 pictures of 100 x 100", rows=750, task="unlabelled", row_shape=(3, 100, 100),
        splits={"train": 525, "validation": 112, "test": 113}, split_how="70 / 15 / 15 %, decided by the content of each row")
    model = asset(garden.team, garden.alice, "faces", "faces.onnx", Asset.Kind.MODEL, detector)
    dataset = asset(garden.team, garden.alice, "hands", "hands.zip", Asset.Kind.DATASET, photos)
    goal, how = Goal(metric="cosine", max_drop=0.01), {"scale": "standard", "mean": [0.498], "std": [0.502], "size": [240, 320]}
    make = Maker(garden.team, garden.alice, model, dataset, number=400)
    int8 = key_of("faces int8")
    job = make.job(Job.State.SUCCEEDED, 20, took=3, title="faces for Raspberry Pi 5", goal=goal, progress=1.0, preprocessing=how,
                   result=Done(recommended=int8, front=(key_of("faces baseline"), int8),
                               verdict="It fits. 3.3 times smaller, nothing lost.").model_dump(mode="json"))
    CandidateRow.objects.create(job=job, key=key_of("faces baseline"), title="baseline fp32", size_kib=1125.6, quality=1.0, fits=True,
                                baseline=True, data=likeness("baseline fp32", key_of("faces baseline"), 1.0, 1125.6))
    CandidateRow.objects.create(job=job, key=int8, title="int8", size_kib=336.5, quality=0.9997, fits=True, baseline=False,
                                data=likeness("int8", int8, 0.9997, 336.5))
    return job


def likeness(title: str, key: str, cosine: float, size: float) -> dict[str, Any]:
    first = title.startswith("baseline")
    low, high = (1.0, 1.0) if first else (cosine - 4e-5, cosine + 4e-5)
    found = {name: Measurement(value=cosine, unit="fraction", origin="measured", how=f"{name} on 113 test rows", low=low, high=high, n=113)
             for name in ("agreement", "cosine")}
    found |= {"size_kib": Measurement(value=size, unit="KiB", origin="measured", how="Bytes of model.onnx / 1024"),
              "latency_ms": Measurement(value=3.1 if first else 2.2, unit="ms", origin="measured", how="Median of 41", low=2.1, high=3.3,
                                        n=41)}
    if first:
        return Candidate(key=key, title=title, recipe={"steps": []}, baseline=True, fits=True, measurements=found,
                         validation=1.0).model_dump(mode="json")
    found["sqnr_db"] = Measurement(value=40.7, unit="dB", origin="measured", how="Of the output 'scores'", low=39.9, high=41.5, n=113)
    noise = [Fidelity(place="output", name=name, sqnr_db=value, low=value - 0.8, high=value + 0.7, cosine=cosine, n=113)
             for name, value in (("scores", 40.7), ("boxes", 43.3))]
    noise += [Fidelity(place="layer", name=f"{174 + 3 * n}", operator="Conv", sqnr_db=None if n == 0 else 46.0 - 9 * n % 23, n=32)
              for n in range(42)]
    points = 100 * (cosine - 1)
    return Candidate(
        key=key, title=title, recipe={"steps": [{"technique": "quantize-static", "params": {}, "version": 1}]}, fits=True,
        measurements=found, validation=cosine, fidelity=tuple(noise), notes=("41 of 42 convolutions run in int8.",),
        change=Change(value=points, low=points - 0.004, high=points + 0.004, n=113, verdict="worse", how="paired"),
        steps=(Outcome(technique="quantize-static", title="int8", seconds=41, size_kib=size, quality=cosine),)).model_dump(mode="json")
