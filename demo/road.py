"""scikit-learn's digits on the road: the dataset is uploaded, a small network is trained from it, and that network is uploaded in turn."""

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from espalier import Client, Dataset, Model, UserError

SMALL = {"architecture": "tiny-cnn", "epochs": 12}


def dataset(client: Client, say: Callable[[str], None]) -> Dataset:
    """The digits in the team's library; the ones of an earlier run when their hash is the same."""
    with tempfile.TemporaryDirectory(prefix="espalier-demo-") as folder:
        path = Path(folder) / "digits.npz"
        subprocess.run([sys.executable, "-m", "optimizers.data.examples", "digits", str(path)], check=True)
        if found := known(client.get_datasets(), path):
            say("Dataset digits: already in the library")
            return found
        say(f"Upload digits.npz, {path.stat().st_size / 1024:.0f} KiB, and have it inspected")
        return client.upload_dataset(path, name="digits")


def model(client: Client, data: Dataset, device: str, say: Any) -> Model:
    """The small network: trained by a job, downloaded as ONNX, uploaded as anybody's model would be."""
    for one in client.get_models():
        if one.name == "digits-net" and one.state == "ready":
            say("Model digits-net: already in the library")
            return one
    say("Train a small network on it:")
    job = client.submit_train_job(dataset=data, device=device, train=SMALL, minutes=3, seed=0, title="Train digits-net")
    job.wait(progress=say.progress)
    trained = [one for one in job.candidates if any(file.role == "model" for file in one.artifacts)]
    if not trained:
        raise UserError("The training job kept no network.", job.id, "Look at its page.")
    with tempfile.TemporaryDirectory(prefix="espalier-demo-") as folder:
        path = client.download_artifact((job.recommended() or trained[-1]).artifact("model"), Path(folder) / "digits-net.onnx")
        say(f"Upload digits-net.onnx, {path.stat().st_size / 1024:.0f} KiB, and have it inspected")
        return client.upload_model(path, name="digits-net")


def known(assets: Iterable[Dataset], path: Path) -> Dataset | None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return next((one for one in assets if one.data["sha256"] == digest and one.state == "ready"), None)
