"""model.esp: what goes in comes out, weighs what its entropy says, and what was made to harm is refused."""

import hashlib
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.coding import decode, esp, rans

DRAWN = np.random.default_rng(5)
FLOATS = (DRAWN.standard_normal(9000) * 0.05).astype(np.float32)


def sparse(values):
    kept = values.copy()
    kept[np.argsort(np.abs(values))[:len(values) * 8 // 10]] = 0
    return kept


def grid(values):
    return (np.rint(values / 0.02) * 0.02).astype(np.float32)


ARRAYS = {
    "floats": FLOATS, "sparse": sparse(FLOATS), "clustered": grid(FLOATS), "sparse-clustered": grid(sparse(FLOATS)),
    "int8": np.clip(np.rint(FLOATS * 640), -127, 127).astype(np.int8), "half": FLOATS.astype(np.float16),
    "double": FLOATS.astype(np.float64), "int64": np.arange(300),
    "zeros": np.zeros(5000, np.float32), "one-value": np.full(5000, 0.1, np.float32),
    "empty": np.zeros(0, np.float32),
    "tiny": np.ones(3, np.float32), "nan": np.array([np.nan, -0.0, 0.0, np.inf] * 100, np.float32),
    "bytes": DRAWN.integers(0, 256, 4000).astype(np.uint8),
    "nibbles": (DRAWN.binomial(15, 0.5, 4000) | DRAWN.binomial(15, 0.5, 4000) << 4).astype(np.uint8),
    "million": grid((DRAWN.standard_normal(1_000_003) * 0.05).astype(np.float32)),
}


def model(*arrays, constant=None):
    tensors = [numpy_helper.from_array(array, f"w{place}") for place, array in enumerate(arrays)]
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    if constant is not None:
        nodes.insert(0, helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(constant)))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    return helper.make_model(helper.make_graph(nodes, "g", [x], [y], tensors)).SerializeToString()


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("numpy", [True, False])
def test_every_kind_of_tensor_comes_back(name, numpy, monkeypatch):
    content = model(ARRAYS[name])
    made = esp.encode(content)
    if not numpy:
        monkeypatch.setattr(decode, "np", None)
    assert decode.decode(made) == content


def test_all_in_one_file_constants_and_equal_tensors_too():
    content = model(*ARRAYS.values(), *ARRAYS.values(), constant=ARRAYS["clustered"])
    assert decode.decode(esp.encode(content)) == content


def test_tensors_that_are_not_raw():
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [9000], FLOATS.tolist())
    content = onnx.load_model_from_string(model(FLOATS))
    content.graph.initializer[0].CopyFrom(tensor)
    content = content.SerializeToString()
    assert decode.decode(esp.encode(content)) == content
    assert len(esp.encode(content)) < 0.88 * len(content)


@pytest.mark.parametrize("name", ["clustered", "sparse-clustered", "million"])
def test_a_list_weighs_what_its_entropy_says(name):
    array = ARRAYS[name]
    _, counts = np.unique(array.view(np.uint32), return_counts=True)       # as bits: -0.0 is not 0.0
    entropy = -(counts * np.log2(counts / len(array))).sum() / 8
    assert entropy < len(esp.encode(model(array))) < 1.01 * entropy + 250
    assert len(esp.encode(model(array))) < 0.8 * len(zlib.compress(model(array), 9))


def test_worked_by_hand():
    """Two symbols of equal share are one bit each: sixteen of them are one word beside the state."""
    coded = rans.encode(np.array([0, 1] * 8, np.uint16), np.array([512, 512]), 10, 1)
    assert len(coded) == 4 + 2
    assert decode.by_hand(b"ab", 1, 16, [512, 512], 10, coded[:4], coded[4:]) == b"ab" * 8
    assert decode.by_numpy(b"ab", 1, 16, [512, 512], 10, coded[:4], coded[4:]) == b"ab" * 8


def test_tensors_alike_share_one_list():
    """Four int8 tensors of one distribution: the list is written once, so four weigh less than four files of one."""
    drawn = [np.clip(np.rint(DRAWN.standard_normal(2000) * 30), -127, 127).astype(np.int8) for _ in range(4)]
    alone = sum(len(esp.encode(model(array))) - len(esp.encode(model())) for array in drawn)
    together = esp.encode(model(*drawn))
    assert len(together) - len(esp.encode(model())) < alone - 100
    assert decode.decode(together) == model(*drawn)


def test_frequencies_keep_the_rarest_and_add_up():
    for counts in ([1, 10**7], [1] * 500 + [10**6], [3, 3, 3], list(range(1, 2000))):
        bits = rans.bits_for(len(counts), sum(counts))
        freqs = rans.normalized(np.array(counts), bits)
        assert freqs.sum() == 1 << bits and freqs.min() >= 1 and bits <= 15


def test_it_is_the_same_each_time():
    content = model(*ARRAYS.values())
    assert esp.encode(content) == esp.encode(content)


CONTENT = model(ARRAYS["sparse"], ARRAYS["int8"], ARRAYS["nibbles"], ARRAYS["int64"], ARRAYS["half"])
MADE = esp.encode(CONTENT)


@pytest.mark.parametrize(("numpy", "step"), [(True, 997), (False, 4999), pytest.param(True, 50, marks=pytest.mark.slow)])
def test_every_damage_is_refused(numpy, step, monkeypatch):
    """Bytes changed, cut off and added, all over the file: a sentence each time, never another error, never another model."""
    if not numpy:
        monkeypatch.setattr(decode, "np", None)
    places = [*range(0, 60), *range(60, len(MADE), step)]
    for place in places:
        for broken in (MADE[:place] + bytes([MADE[place] ^ 0x55]) + MADE[place + 1:], MADE[:place]):
            with pytest.raises(decode.Damaged):
                decode.decode(broken)
    with pytest.raises(decode.Damaged):
        decode.decode(MADE + b"x")


def crafted(head, body=b"", size=1 << 20):
    packed = zlib.compress(head, 9)
    return decode.START.pack(b"ESP1", size, len(packed), len(head), hashlib.sha256(b"").digest()) + packed + body


def numbers(*values):
    return b"".join(map(esp.number, values))


WHOLE = (1, 0, 1 << 20)         # one piece that is all of the model
HALVES = (1, 1, 2, 0, 0, 10, 512, 512)      # one list: 0 and 1, each half of the time


@pytest.mark.parametrize("head", [
    b"", b"\xff" * 12, numbers(1), numbers(0), numbers(0, 1), numbers(0, 1 << 60), numbers(0, 1, 0, 1 << 21, decode.STORED),
    numbers(0, 1, 1 << 60), numbers(0, *WHOLE, decode.PLANES, 0), numbers(0, *WHOLE, decode.PLANES, 3), numbers(0, *WHOLE, 9),
    numbers(0, *WHOLE, *[decode.PLANES, 1] * 50, decode.STORED), numbers(0, *WHOLE, *[decode.NIBBLES] * 30, decode.STORED),
    numbers(0, *WHOLE, decode.SYMBOLS, 0), numbers(*HALVES, *WHOLE, decode.SYMBOLS, 1), numbers(*HALVES, *WHOLE, decode.SYMBOLS, 0, 0, 0),
    numbers(*HALVES, *WHOLE, decode.SYMBOLS, 0, 1 << 20, 0), numbers(1, 1, 2, 0, 255), numbers(1, 1, 2, 0, 0, 10, 1, 512),
    numbers(1, 1, 2, 0, 0, 10, 0, 1024), numbers(1, 1, 2, 0, 0, 16), numbers(1, 0, 1), numbers(1, 1, 0), numbers(1, 1, 1 << 20),
    numbers(1, 1, 1, 0, *WHOLE, decode.SPARSE, 4, 5, decode.SYMBOLS, 0, decode.STORED), numbers(0, *WHOLE, decode.DEFLATED, 5),
    numbers(1, 1, 1, 0, 2, 0, 1 << 20, decode.SYMBOLS, 0, 0, 1, decode.SYMBOLS, 0), numbers(1, 3, 1, 0, *WHOLE, decode.SYMBOLS, 0)])
def test_what_was_made_to_harm_is_refused(head):
    with pytest.raises(decode.Damaged):
        decode.decode(crafted(head))


def test_a_file_that_states_too_much_is_not_begun():
    with pytest.raises(decode.Damaged, match="1,099,511,627,776"):
        decode.decode(crafted(numbers(0, 0), size=1 << 40))
    with pytest.raises(decode.Damaged, match="at most 100"):
        decode.decode(MADE, 100)
    bomb = zlib.compress(bytes(1 << 24), 9)
    with pytest.raises(decode.Damaged, match="inflate"):
        decode.decode(decode.START.pack(b"ESP1", 64, len(bomb), 100, bytes(32)) + bomb)


def lengthy(*values, times):
    return b"".join(map(esp.number, values)) * times


MIB = 1 << 20


@pytest.mark.parametrize(("head", "body", "size"), [
    (numbers(decode.MOST_LISTS) + lengthy(8, 1, 0, times=decode.MOST_LISTS), b"", MIB),                     # lists of one number
    (numbers(40) + (numbers(8, 4096) + bytes(4096) + numbers(12) + b"\1" * 4096) * 40, b"", 1 << 16),       # lists longer than the model
    (numbers(0, 1 << 19) + lengthy(0, 0, decode.STORED, times=1 << 19), b"", MIB),                          # half a million of nothing
    (numbers(*HALVES, 1, 0, 64 * MIB, decode.SYMBOLS, 0, 1, 0), bytes(4), 64 * MIB),                        # one lane for millions
    (numbers(0, 1, 0, 16 * MIB, decode.PLANES, 8) + lengthy(decode.STORED, times=8), b"x" * 999, 16 * MIB),
    (numbers(1, 1, 1, 7, 1, 0, 16 * MIB, decode.SPARSE, 1, 16 * MIB, decode.SYMBOLS, 0, decode.STORED), b"", 16 * MIB),
])
def test_little_that_asks_for_much_gets_neither_time_nor_memory(head, body, size):
    crafted_file, begun = crafted(head, body, size), time.monotonic()
    tracemalloc.start()
    try:
        with pytest.raises(decode.Damaged):
            decode.decode(crafted_file)
        assert tracemalloc.get_traced_memory()[1] < 5 * size + 8 * MIB
    finally:
        tracemalloc.stop()
    assert time.monotonic() - begun < 60


def test_it_runs_alone(tmp_path):
    """The file as it ships, in a Python that sees nothing of ours."""
    (tmp_path / "decode.py").write_bytes(Path(decode.__file__).read_bytes())
    (tmp_path / "model.esp").write_bytes(MADE)
    (tmp_path / "broken.esp").write_bytes(MADE[:-1])
    alone = [sys.executable, "-I", "-S", "decode.py"]
    done = subprocess.run([*alone, "model.esp", "model.onnx"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model.onnx").read_bytes() == CONTENT and hashlib.sha256(CONTENT).hexdigest() in done.stdout
    done = subprocess.run([*alone, "broken.esp", "other.onnx"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and not (tmp_path / "other.onnx").exists()
    assert subprocess.run(alone, cwd=tmp_path, capture_output=True, text=True).returncode == 2
