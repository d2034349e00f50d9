"""The work folder of one attempt: inputs out of the store, checkpoints of the attempt before, task.json; gone afterwards."""

import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs import store
from jobs.claim import Lease
from jobs.models import Asset, Candidate, Job
from jobs.sandbox import lay_code, work_root
from optimizers.task import Task


@contextmanager
def workspace(lease: Lease, job: Job, threads: int, uid: int = 0) -> Iterator[Path]:
    """Lay everything out; yields the folder. uid: who must be able to write there, when it is not us."""
    folder = work_root() / f"{os.getpid()}-{lease.job_id}-{lease.number}"
    folder.mkdir(mode=0o700)
    try:
        for name in ("in", "out", "checkpoint", "scratch"):
            (folder / name).mkdir(mode=0o700)
        lay_code(folder)
        (folder / "task.json").write_text(lay_task(folder, job, threads).model_dump_json())
        for saved in job.checkpoints.select_related("blob"):
            store.copy_to(saved.blob, folder / saved.path)
        if uid:
            hand_over(folder, uid)
        yield folder
    finally:
        remove(folder)


def lay_task(folder: Path, job: Job, threads: int) -> Task:
    """Copy the inputs to in/ and say in a Task what is to be done with them."""
    facts: dict[str, object] = {"kind": job.kind, "threads": threads, "seed": job.seed}
    if job.kind == Job.Kind.INSPECT:
        assert job.asset is not None
        return Task(**facts, role=job.asset.kind, **lay_asset(folder, job.asset))
    for asset in (job.model, job.dataset):
        facts |= lay_asset(folder, asset) | {f"{asset.kind}_card": asset.card} if asset else {}
    if job.model and job.preprocessing:
        facts["model_options"] = {**job.model.options, "preprocessing": job.preprocessing}
    return Task(**facts, device=job.device, goal=job.goal, budget=job.budget, recipe=job.recipe,
                done=tuple(job.candidates.order_by("created_at").values_list("key", flat=True)), sensitivity=known_sensitivity(job))


def known_sensitivity(job: Job) -> list[dict[str, object]]:
    """What an earlier job of the team measured of this model, fed in this way, on this dataset, for this metric and seed."""
    if not (job.budget or {}).get("sensitivity") or job.model is None or job.dataset is None:
        return []
    # an unset JSON field is SQL's NULL, which only `isnull` finds
    fed = {"job__preprocessing": job.preprocessing} if job.preprocessing is not None else {"job__preprocessing__isnull": True}
    earlier = Candidate.objects.filter(
        job__team=job.team_id, job__model__blob=job.model.blob_id, job__dataset__blob=job.dataset.blob_id, job__seed=job.seed,
        job__model__options=job.model.options, job__dataset__options=job.dataset.options,
        job__goal__metric=(job.goal or {}).get("metric"), baseline=True,
        **fed).exclude(data__sensitivity=[]).order_by("-created_at")
    found = earlier.values_list("data__sensitivity", flat=True).first()
    return found or []


def lay_asset(folder: Path, asset: Asset) -> dict[str, object]:
    kind = asset.kind
    path = f"in/{kind}{suffix(asset.filename)}"
    store.copy_to(asset.blob, folder / path)
    return {kind: path, f"{kind}_name": asset.filename, f"{kind}_sha256": asset.blob.sha256, f"{kind}_options": asset.options}


def suffix(filename: str) -> str:
    """The last suffix, lower case, or nothing where it is not a plain word.

    >>> suffix("Model.ONNX"), suffix("../../x.e vil"), suffix("t10k.idx.gz")
    ('.onnx', '', '.gz')
    """
    found = re.search(r"\.[A-Za-z0-9]{1,12}$", filename)
    return found.group().lower() if found else ""


def hand_over(folder: Path, uid: int) -> None:
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            os.chown(path, uid, uid)


def remove(folder: Path) -> None:
    """Delete a folder whatever the child did to its modes."""
    def open_up(function, path, _error):
        parent = os.path.dirname(path)
        for at in (parent, path):
            if os.path.lexists(at) and not os.path.islink(at):
                os.chmod(at, stat.S_IRWXU)
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) and not os.path.islink(path) else function(path)

    shutil.rmtree(folder, onerror=open_up)


def remove_stale() -> int:
    """Folders of workers that are no more (killed, or a power cut). Returns how many went."""
    count = 0
    for folder in work_root().glob("*-*"):
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and not alive(int(owner)):
            remove(folder)
            count += 1
    return count


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
