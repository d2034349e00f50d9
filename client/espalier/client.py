"""The one object scripts hold: the server, a token, and the verbs."""

from __future__ import annotations

import hashlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from espalier import login
from espalier.candidate import Artifact
from espalier.errors import InternalError, UserError
from espalier.job import Job
from espalier.library import Asset, Dataset, Model
from espalier.uploads import Progress, upload
from espalier.wire import Wire

POLL_S = (0.2, 0.4, 0.8, 1.0, 2.0)


class Client:
    """url, token: of the server and of one team; unset, ESPALIER_URL and ESPALIER_TOKEN, then what `espalier login` kept."""

    def __init__(self, url: str | None = None, token: str | None = None, *, http: httpx.Client | None = None) -> None:
        kept = {} if url and token else login.load()
        url = url or os.environ.get("ESPALIER_URL") or kept.get("url")
        token = token or os.environ.get("ESPALIER_TOKEN") or kept.get("token")
        if not url or not token:
            raise UserError("No server and token are known.", "", "Run `espalier login URL`, or pass Client(url, token).", "not-signed-in")
        headers = {"Authorization": f"Bearer {token}"}
        if http is None:
            http = httpx.Client(base_url=url, timeout=httpx.Timeout(60, connect=10), headers=headers)
        else:
            http.headers.update(headers)
        self.wire = Wire(http)

    # library

    def upload_model(self, path: str | Path, *, name: str | None = None, architecture: str | None = None,
                     progress: Progress | None = None, wait: bool = True) -> Model:
        """Send a model file (.onnx, .pt2, .safetensors with an architecture of the zoo; trees as .json, .ubj, .txt, .lgb, .skops).

        progress(sent, whole), in bytes. With `wait`, returns once it is inspected, and raises UserError with the reason when it was
        rejected.
        """
        return self.bring(Model, path, "model", name, {"architecture": architecture}, progress, wait)

    def upload_dataset(self, path: str | Path, *, name: str | None = None, unlabelled: bool = False, progress: Progress | None = None,
                       wait: bool = True, **options: Any) -> Dataset:
        """Send a dataset file (.zip of folders, idx pairs, or train and test tables; .npz; .csv, .parquet, .arff, .svm).

        unlabelled: take no folder, array or column for labels; fidelity to an original can be measured on such rows.
        options: what `Dataset.inspect_again` takes, such as target="price".
        """
        options |= {"task": "unlabelled"} if unlabelled else {}
        return self.bring(Dataset, path, "dataset", name, options, progress, wait)

    def bring(self, kind: Any, path: str | Path, word: str, name: str | None, options: dict, progress: Progress | None, wait: bool) -> Any:
        given = {key: value for key, value in options.items() if value is not None}
        id = upload(self.wire, Path(path), word, name, given, progress)
        asset = kind(self, self.wire.get(f"/{kind.path}/{id}"))
        return asset.wait() if wait else asset

    def get_model(self, id: str) -> Model:
        return Model(self, self.wire.get(f"/models/{id}"))

    def get_dataset(self, id: str) -> Dataset:
        return Dataset(self, self.wire.get(f"/datasets/{id}"))

    def get_models(self) -> Iterator[Model]:
        return (Model(self, row) for row in self.wire.pages("/models"))

    def get_datasets(self) -> Iterator[Dataset]:
        return (Dataset(self, row) for row in self.wire.pages("/datasets"))

    # catalogue

    def get_devices(self) -> list[dict[str, Any]]:
        """The catalogue and the team's own; each figure with its unit and source."""
        return list(self.wire.pages("/devices"))

    def get_chains(self) -> list[dict[str, Any]]:
        """Recipes that are known to work, by name; `recipe` of one goes into `submit_optimize_job`."""
        return list(self.wire.pages("/chains"))

    def get_techniques(self) -> list[dict[str, Any]]:
        """Name, family, what it takes and gives, and the JSON Schema of its parameters."""
        return list(self.wire.pages("/techniques"))

    # jobs

    def plan(self, **wish: Any) -> dict[str, Any]:
        """A dry run: what would be tried, what cannot work and why, and how long it takes. Takes what submit_optimize_job takes."""
        return self.wire.call("POST", "/plans", json=request(**wish)).json()

    def submit_optimize_job(self, *, title: str | None = None, **wish: Any) -> Job:
        """Find models that fit a device.

        model, dataset: of the library, or their ids (either may be missing).  device: a name, or a whole device.
        metric: top1, macro_f1, r2; or agreement, cosine: fidelity to the original, which needs no labels.
        Missing: the first that suits.
        floor: absolute.  max_drop: largest loss, as a fraction (0.01 is one point).
        limits: flash_kib, ram_kib, latency_ms, energy_mj, size_kib, download_kib.  minutes, candidates: how long it may look.
        sensitivity: also measure what each layer can bear.  study: of a dataset alone, compare boosting, bagging and stacking by bias and
        variance.
        recipe: a list of steps instead of the planner.  preprocessing: what the model was fed while it was trained, such as
        {"scale": "standard", "mean": [0.5], "std": [0.25], "size": [224, 224]}; found by the job when missing.  seed: for a repeatable run.
        Raises UserError at once for a wish that cannot work.
        """
        body = request(**wish) | ({"title": title} if title else {})
        return Job(self, self.wire.call("POST", "/jobs", json=body, headers={"Idempotency-Key": str(uuid.uuid4())}).json())

    def submit_train_job(self, *, dataset: Any, device: Any, train: dict[str, Any] | None = None, **wish: Any) -> Job:
        """Train a network for the device and measure it. train: parameters of the technique, such as architecture and epochs."""
        return self.submit_optimize_job(dataset=dataset, device=device, recipe=steps(("train", train)), **wish)

    def submit_quantize_job(self, *, model: Any, device: Any, quantize: dict[str, Any] | None = None, dynamic: bool = False,
                            **wish: Any) -> Job:
        """8-bit integers: with ranges found on the dataset's training rows, or dynamic, without."""
        name = "quantize-dynamic" if dynamic else "quantize-static"
        return self.submit_optimize_job(model=model, device=device, recipe=steps((name, quantize)), **wish)

    def get_job(self, id: str) -> Job:
        return Job(self, self.wire.get(f"/jobs/{id}"))

    def get_jobs(self) -> Iterator[dict[str, Any]]:
        """A line for each, newest first; get_job(line["id"]) has the rest."""
        return self.wire.pages("/jobs")

    # files

    def download_artifact(self, artifact: Artifact | str, to: str | Path, progress: Progress | None = None) -> Path:
        """Fetch a file, continue a half one, and check its sha256. `to`: a file name, or a folder that exists."""
        path, known = Path(to), artifact if isinstance(artifact, Artifact) else None
        if path.is_dir():
            path = path / (known.name if known else str(artifact))
        part = path.with_name(path.name + ".part")
        start = part.stat().st_size if part.exists() else 0
        address = known.url if known else f"/artifacts/{artifact}"
        with self.wire.stream(address, {"Range": f"bytes={start}-"} if start else {}) as response:
            if response.status_code != 206:
                start = 0
            whole = start + int(response.headers.get("Content-Length", 0))
            with part.open("ab" if start else "wb") as file:
                for block in response.iter_bytes(1024 * 1024):
                    file.write(block)
                    if progress:
                        progress(file.tell(), whole)
            check(part, known.sha256 if known else response.headers.get("ETag", "").removeprefix("W/").strip('"'))
        part.replace(path)
        return path

    def poll(self, look: Callable[[], Any], done: Callable[[], bool], timeout: float | None, what: str) -> None:
        """Look, at growing intervals up to two seconds, until done. Raises TimeoutError."""
        end = None if timeout is None else time.monotonic() + timeout
        for turn in range(10**9):
            look()
            if done():
                return
            if end is not None and time.monotonic() > end:
                raise TimeoutError(f"{what} has not ended within {timeout:.0f} s; it goes on")
            time.sleep(POLL_S[min(turn, len(POLL_S) - 1)])


def request(*, device: Any, model: Any = None, dataset: Any = None, metric: str | None = None, floor: float | None = None,
            max_drop: float | None = None, limits: dict[str, float] | None = None, minutes: float | None = None,
            candidates: int | None = None, recipe: Any = None, seed: int | None = None,
            preprocessing: dict[str, Any] | None = None, sensitivity: bool | None = None, study: bool | None = None) -> dict[str, Any]:
    """The body of POST /jobs and /plans; what was not said is left to the server's defaults."""
    said = lambda **pairs: {key: value for key, value in pairs.items() if value is not None}
    id_of = lambda one: one.id if isinstance(one, Asset) else one
    goal = said(metric=metric, floor=floor, max_drop=max_drop, limits=limits)
    budget = said(minutes=minutes, candidates=candidates, sensitivity=sensitivity, study=study)
    if candidates is not None and minutes is None:
        budget["minutes"] = None            # a count alone makes a run repeatable
    ids = said(model=id_of(model), dataset=id_of(dataset))
    return ids | said(device=device, recipe=recipe, seed=seed, preprocessing=preprocessing, goal=goal or None, budget=budget or None)


def steps(*pairs: tuple[str, dict[str, Any] | None]) -> dict[str, Any]:
    return {"steps": [{"technique": name, "params": params or {}} for name, params in pairs]}


def check(path: Path, expected: str) -> None:
    """Compare with the hash the server keeps; a file that differs is removed."""
    whole = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            whole.update(block)
    if len(expected) == 64 and whole.hexdigest() != expected:
        path.unlink()
        raise InternalError("What arrived is not what the server keeps.", path.name, "Download it again.", "sha256-differs")
