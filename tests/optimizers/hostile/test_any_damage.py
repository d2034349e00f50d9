"""Whatever happens to the bytes of a sound file, the answer is a card or an OptimizerError: nothing else is ever raised."""

import contextlib
import functools
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from optimizers.data.formats import format_of
from optimizers.errors import OptimizerError
from optimizers.models.audit import audit
from tests.optimizers.hostile.forge import folders, look, onnx_model, zipped

QUICK = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


@functools.cache
def sound(kind: str) -> bytes:
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if kind == "model.onnx":
            nodes = [helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]), helper.make_node("Relu", ["c"], ["r"]),
                     helper.make_node("GlobalAveragePool", ["r"], ["p"]), helper.make_node("Flatten", ["p"], ["f"]),
                     helper.make_node("Gemm", ["f", "v"], ["y"], "head")]
            inits = [numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name) for name, shape in
                     (("w", (4, 1, 3, 3)), ("v", (4, 3)))]
            return onnx_model(nodes, inits, shape=("n", 1, 6, 6)).SerializeToString()
        if kind == "model.safetensors":
            import safetensors.numpy

            return safetensors.numpy.save({"a": np.zeros((3, 2), np.float32), "b": np.ones(5, np.int8)})
        if kind == "data.npz":
            np.savez_compressed(path, x=rng.integers(0, 9, (30, 4, 4)).astype(np.uint8), y=np.arange(30) % 3)
            return Path(f"{path}.npz").read_bytes()
        if kind == "data.zip":
            return zipped(path, folders()).read_bytes()
        if kind == "data.svm":
            return "\n".join(f"{i % 2} 1:{i * 0.5} 3:{i % 7}" for i in range(60)).encode()
        if kind == "data.parquet":
            import pyarrow
            from pyarrow import parquet

            columns = {"a": [i * 0.5 for i in range(60)], "b": [("red", "blue", None)[i % 3] for i in range(60)], "y": list(range(6)) * 10}
            parquet.write_table(pyarrow.table(columns), path)
            return path.read_bytes()
        if kind == "data.arff":
            head = "@relation r\n@attribute a real\n@attribute 'b c' {red,blue}\n@attribute y {no,yes}\n@data\n"
            return (head + "\n".join(f"{i * 0.5},{'red' if i % 4 else 'blue'},{'yes' if i % 3 else 'no'}" for i in range(60))).encode()
        rows = [f"{i},{i * 0.5},{'red' if i % 4 else 'blue'},{'yes' if i % 3 else 'no'}" for i in range(60)]
        return "\n".join(["number,half,colour,class", *rows]).encode()


@st.composite
def damage(draw: st.DrawFn, raw: bytes) -> bytes:
    """Cut, flip, overwrite, repeat or drop a stretch: one to three times."""
    for _ in range(draw(st.integers(1, 3))):
        if not raw:
            break
        at = draw(st.integers(0, len(raw) - 1))
        how = draw(st.sampled_from(["cut", "flip", "write", "repeat", "drop"]))
        if how == "cut":
            raw = raw[:at]
        elif how == "flip":
            raw = raw[:at] + bytes([raw[at] ^ (1 << draw(st.integers(0, 7)))]) + raw[at + 1:]
        elif how == "write":
            new = draw(st.binary(min_size=1, max_size=8))
            raw = raw[:at] + new + raw[at + len(new):]
        else:
            stop = min(len(raw), at + draw(st.integers(1, 64)))
            raw = raw[:stop] + raw[at:] if how == "repeat" else raw[:at] + raw[stop:]
    return raw


KINDS = ("model.onnx", "model.safetensors", "data.npz", "data.zip", "data.csv", "data.arff", "data.svm", "data.parquet")
TEXTS = ("data.csv", "data.arff", "data.svm")       # a table that ends early is a shorter table


@pytest.mark.parametrize("name", KINDS)
@QUICK
@given(data=st.data())
def test_damaged_files_end_in_a_card_or_a_refusal(name: str, data: st.DataObject) -> None:
    raw = data.draw(damage(sound(name)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(raw)
        with contextlib.suppress(OptimizerError):
            if name == "model.safetensors":
                audit(path)
            else:
                look(path, name.split(".")[0].replace("data", "dataset"))


@pytest.mark.parametrize("name", KINDS)
def test_every_cut_of_a_file_is_refused_by_its_bytes_or_read_whole(name: str, tmp_path: Path) -> None:
    whole = sound(name)
    path = tmp_path / name
    for length in range(0, len(whole), max(1, len(whole) // 150)):
        path.write_bytes(whole[:length])
        if name.startswith("model"):
            with pytest.raises(OptimizerError):
                audit(path)
        elif name not in TEXTS:
            with pytest.raises(OptimizerError):
                look(path, "dataset")
        else:
            with contextlib.suppress(OptimizerError):
                format_of(path)


@settings(QUICK, max_examples=200)
@given(raw=st.binary(max_size=400), name=st.sampled_from(KINDS), start=st.sampled_from([b"", b"PK\x03\x04", b"\x08\x08\x3a", b"\x80\x04"]))
def test_noise_is_refused_or_read(raw: bytes, name: str, start: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(start + raw)
        with contextlib.suppress(OptimizerError):
            audit(path) if name.startswith("model") else look(path, "dataset")


def test_the_sound_files_are_sound(tmp_path: Path) -> None:
    for name in KINDS:
        (tmp_path / name).write_bytes(sound(name))
        if name == "model.safetensors":
            assert audit(tmp_path / name) == "safetensors"
        else:
            assert look(tmp_path / name, "model" if name.startswith("model") else "dataset")
    assert onnx.load(io.BytesIO(sound("model.onnx"))).graph.node[0].op_type == "Conv"
