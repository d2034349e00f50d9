"""Pickles in every disguise: refused by name with a way to convert, and never opened: the canary stays away."""

import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from optimizers.errors import OptimizerError
from tests.optimizers.hostile.forge import Trap, folders, look, trap, zipped


def files(folder: Path, canary: Path) -> dict[str, bytes]:
    """name -> bytes, one for each way people and attackers ship a pickle."""
    import torch

    raw = trap(canary)
    found = {f"protocol{p}.pkl": trap(canary, p) for p in range(6)}
    found |= {"model.onnx": raw, "model.safetensors": raw, "model.pt2": raw, "model.bin": raw, "data.npz": raw, "data.csv": raw,
              "data.zip": raw,
              "old.onnx": trap(canary, 0), "old.csv": trap(canary, 1), "model.joblib": zlib.compress(raw),
              "data.joblib": gzip.compress(raw),
              "zlib.onnx": zlib.compress(raw), "gzip.csv": gzip.compress(raw)}
    for name, new in (("model.pt", True), ("legacy.pth", False)):
        out = io.BytesIO()
        torch.save({"w": torch.zeros(2), "t": Trap(canary)}, out, _use_new_zipfile_serialization=new)
        found[name] = out.getvalue()
    out = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), out)
    found |= {"script.pt": out.getvalue(), "script.pt2": out.getvalue(), "state.pt2": found["model.pt"], "state.zip": found["model.pt"]}
    objects = np.array([Trap(canary), 1], object)
    out = io.BytesIO()
    np.save(out, objects, allow_pickle=True)
    found |= {"x.npy": out.getvalue(), "x.csv": out.getvalue()}
    out = io.BytesIO()
    np.savez(out, x=objects, y=np.arange(2))
    found["objects.npz"] = out.getvalue()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(raw)
        archive.addfile(info, io.BytesIO(raw))
    found |= {"model.tar": out.getvalue(), "tar.pt": out.getvalue(), "tar.onnx": out.getvalue()}
    found |= {"model.keras": zip_bytes({"config.json": b"{}", "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n"}),
              "model.h5": b"\x89HDF\r\n\x1a\n" + bytes(50), "saved.zip": zip_bytes({"m/saved_model.pb": b"x", "m/variables/v": b"x"}),
              "model.skops": zip_bytes({"schema.json": b"{}"}), "inside.zip": zip_bytes(folders({"cats/m.pkl": raw}))}
    return found


def zip_bytes(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_no_disguise_opens_the_pickle(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for name, raw in files(tmp_path, canary).items():
        path = tmp_path / name
        path.write_bytes(raw)
        for role in ("model", "dataset"):
            with pytest.raises(OptimizerError) as caught:
                look(path, role)
            assert not canary.exists(), f"{name} as {role} ran code"
            assert len(caught.value.refusal.mend) > 20, f"{name} as {role}: no way to convert"
        path.unlink()


@pytest.mark.parametrize(("name", "code", "mend"), [
    ("protocol4.pkl", "pickle", "skops.io.dump"), ("protocol0.pkl", "pickle", "skops.io.dump"), ("model.onnx", "pickle", "skops.io.dump"),
    ("model.pt", "pickle", "torch.onnx.export"), ("legacy.pth", "pickle", "torch.onnx.export"),
    ("script.pt", "torchscript", "torch.onnx.export"),
    ("state.pt2", "pickle", "safetensors.torch.save_file"), ("model.joblib", "pickle", "skops.io.dump"),
    ("model.bin", "pickle", "torch.onnx.export"),
    ("x.npy", "pickle", "np.savez"), ("model.tar", "tar", "Unpack"), ("model.h5", "keras", "export"), ("model.keras", "keras", "export"),
    ("saved.zip", "savedmodel", "tf2onnx"), ("model.skops", "bad-schema", "skops.io.dump"),
])
@pytest.mark.filterwarnings("ignore")
def test_each_is_named_with_its_way_out(tmp_path: Path, name: str, code: str, mend: str) -> None:
    path = tmp_path / name
    path.write_bytes(files(tmp_path, tmp_path / "canary")[name])
    with pytest.raises(OptimizerError) as caught:
        look(path, "model")
    assert caught.value.refusal.code == code
    assert mend in caught.value.refusal.mend


def test_objects_in_npz_are_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.array([{}, 1], object), y=np.arange(2))
    with pytest.raises(OptimizerError, match=r"x\.npy.*np\.savez") as caught:
        look(tmp_path / "data.npz", "dataset")
    assert caught.value.refusal.code == "pickle"


def test_a_pickle_beside_pictures_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptimizerError) as caught:
        look(zipped(tmp_path / "data.zip", folders({"cats/model.pth": b"x"})), "dataset")
    assert caught.value.refusal.code == "pickle"
    assert "cats/model.pth" in caught.value.refusal.where


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_pt2_whose_sample_inputs_are_a_trap_loads_without_running_it(tmp_path: Path) -> None:
    import torch

    canary, good, bad = tmp_path / "canary", tmp_path / "good.pt2", tmp_path / "model.pt2"
    program = torch.export.export(torch.nn.Linear(4, 3).eval(), (torch.zeros(2, 4),), dynamic_shapes=({0: torch.export.Dim("b")},))
    torch.export.save(program, good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            target.writestr(name, trap(canary) if "sample_inputs" in name else source.read(name))
    card = look(bad, "model")
    assert not canary.exists()
    assert card.kind == "torch-export"
    assert card.classes == 3


@pytest.mark.filterwarnings("ignore")
def test_a_pt2_that_asks_for_pickled_weights_is_refused(tmp_path: Path) -> None:
    import torch

    good, bad = tmp_path / "good.pt2", tmp_path / "model.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(4, 3).eval(), (torch.zeros(2, 4),)), good)
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(b'"use_pickle": false', b'"use_pickle": true'))
    with pytest.raises(OptimizerError, match="stored as a pickle"):
        look(bad, "model")
