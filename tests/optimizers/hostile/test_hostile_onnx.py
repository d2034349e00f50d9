"""ONNX files that are cut, lie, or never end: refused with the node, tensor or byte, before any library reads them where bytes tell."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from optimizers.errors import OptimizerError
from optimizers.models.audit import audit
from tests.optimizers.hostile.forge import look, onnx_file, onnx_model


def refused(path: Path) -> OptimizerError:
    started = time.monotonic()
    with pytest.raises(OptimizerError) as caught:
        look(path, "model")
    assert time.monotonic() - started < 30
    assert caught.value.refusal.mend
    return caught.value


def saved(path: Path, model: onnx.ModelProto) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def test_a_sound_model_passes(tmp_path: Path) -> None:
    card = look(onnx_file(tmp_path / "model.onnx"), "model")
    assert (card.kind, card.family, card.task, card.classes, card.parameters, card.macs) == ("onnx", "network", "classification", 3, 15, 12)
    assert card.problems == ()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_truncated_files_name_the_byte(tmp_path: Path, share: float) -> None:
    whole = onnx_file(tmp_path / "model.onnx").read_bytes()
    (tmp_path / "model.onnx").write_bytes(whole[:int(len(whole) * share) + 1])
    refusal = refused(tmp_path / "model.onnx").refusal
    assert refusal.code in ("truncated", "no-graph")
    assert refusal.code == "no-graph" or "byte" in refusal.where or "cut off" in refusal.wrong


@pytest.mark.parametrize(("name", "raw", "code"), [
    ("empty.onnx", b"", "empty"), ("page.onnx", b"<!DOCTYPE html><html>Sign in</html>", "html"),
    ("model.onnx", b'{"learner": {"x": 1}}', "suffix-differs"), ("model.onnx", b'{"x": 1}', "json"),
    ("notes.onnx", b"just some words\n", "damaged"), ("model.txt", b"just some words\n", "not-lightgbm"),
    ("model.md", b"just some words\n", "unknown-format"),
    ("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "lfs-pointer"),
    ("model.gguf", b"GGUF" + bytes(50), "gguf"), ("model.tflite", b"\x1c\0\0\0TFL3" + bytes(50), "tflite"),
    ("zeros.onnx", bytes(1000), "damaged"), ("model.exe", b"MZ" + bytes(99), "not-a-model"),
])
def test_other_things_in_the_place_of_a_model(tmp_path: Path, name: str, raw: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(raw)
    found = refused(tmp_path / name).refusal.code
    assert found == code or (code == "damaged" and found in ("truncated", "no-graph"))


def test_the_suffix_must_agree(tmp_path: Path) -> None:
    for name in ("model.safetensors", "model.pt2", "model.bin", "model"):
        assert refused(onnx_file(tmp_path / name)).refusal.code == "suffix-differs"


@pytest.mark.parametrize("location", ["../../../etc/passwd", "/etc/passwd", "weights.bin"])
def test_external_data_names_tensor_and_place(tmp_path: Path, location: str) -> None:
    model = onnx_model()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    refusal = refused(saved(tmp_path / "model.onnx", model)).refusal
    assert refusal.code == "external-data"
    assert location in refusal.wrong
    assert "'w'" in refusal.where


def test_external_data_in_an_attribute_is_seen_too(tmp_path: Path) -> None:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), "hidden")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/shadow")
    nodes = [helper.make_node("Constant", [], ["c"], value=tensor), helper.make_node("Add", ["x", "c"], ["y"])]
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=nodes)).refusal.code == "external-data"


def test_custom_domains_name_the_node(tmp_path: Path) -> None:
    nodes = [helper.make_node("Evil", ["x"], ["y"], "boom", domain="com.evil")]
    refusal = refused(onnx_file(tmp_path / "model.onnx", nodes=nodes, imports=[helper.make_opsetid("com.evil", 1)])).refusal
    assert refusal.code == "custom-domain"
    assert "boom" in refusal.where
    assert "com.evil" in refusal.wrong


def loop(count: onnx.TensorProto | None) -> list[onnx.NodeProto]:
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Identity", ["v"], ["v2"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, ()), helper.make_tensor_value_info("c", TensorProto.BOOL, ()),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("c2", TensorProto.BOOL, ()), helper.make_tensor_value_info("v2", TensorProto.FLOAT, None)])
    first = [helper.make_node("Constant", [], ["m"], value=count)] if count is not None else []
    return [*first, helper.make_node("Loop", ["m" if count is not None else "", "", "x"], ["y"], "spin", body=body)]


def test_endless_and_long_loops(tmp_path: Path) -> None:
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=loop(None))).refusal.code == "endless-loop"
    many = numpy_helper.from_array(np.array(2**62, np.int64))
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=loop(many))).refusal.code == "endless-loop"
    assert audit(onnx_file(tmp_path / "model.onnx", nodes=loop(numpy_helper.from_array(np.array(5, np.int64))))) == "onnx"


@pytest.mark.parametrize("dims", [[2**31], [-5, 3], [2**20, 2**20], [1] * 9])
def test_shapes_no_machine_holds(tmp_path: Path, dims: list[int]) -> None:
    model = onnx_model()
    model.graph.initializer[0].ClearField("raw_data")
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend(dims)
    assert refused(saved(tmp_path / "model.onnx", model)).refusal.code == "shape-too-large"


def test_weights_shorter_than_their_shape(tmp_path: Path) -> None:
    model = onnx_model()
    model.graph.initializer[0].dims[0] = 4000
    refusal = refused(saved(tmp_path / "model.onnx", model)).refusal
    assert refusal.code == "size-differs"
    assert "48,000" in refusal.wrong


def test_graphs_inside_graphs(tmp_path: Path) -> None:
    body = helper.make_graph([helper.make_node("Identity", ["x"], ["o"])], "g", [], [helper.make_tensor_value_info("o",
                                                                                                                   TensorProto.FLOAT,
                                                                                                                   None)])
    for _ in range(32):
        node = helper.make_node("If", ["k"], ["o"], then_branch=body, else_branch=onnx.GraphProto(name="e"))
        body = helper.make_graph([node], "g", [], [helper.make_tensor_value_info("o", TensorProto.FLOAT, None)])
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=list(body.node))).refusal.code == "too-deep"


def test_nesting_that_would_break_a_recursive_parser(tmp_path: Path) -> None:
    inner = b""
    for _ in range(20_000):         # Type > Sequence > Type ...
        inner = b"\x22" + varint(len(inner) + 1 + len(varint(len(inner)))) + b"\x0a" + varint(len(inner)) + inner
    value = b"\x0a\x01x\x12" + varint(len(inner)) + inner
    graph = b"\x5a" + varint(len(value)) + value
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08\x3a" + varint(len(graph)) + graph)
    assert refused(tmp_path / "model.onnx").refusal.code == "too-deep"


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out, number = out + bytes([number & 127 | 128]), number >> 7
    return out + bytes([number])


def function(name: str, *calls: str) -> onnx.FunctionProto:
    nodes = [helper.make_node(call, ["a"], ["b" if i == len(calls) - 1 else f"t{i}"], domain="local") for i, call in enumerate(calls)]
    return helper.make_function("local", name, ["a"], ["b"], nodes, [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)])


def test_functions_that_call_themselves_or_explode(tmp_path: Path) -> None:
    nodes, imports = [helper.make_node("f0", ["x"], ["y"], domain="local")], [helper.make_opsetid("local", 1)]
    ring = [function("f0", "f1"), function("f1", "f2"), function("f2", "f0")]
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=nodes, functions=ring, imports=imports)).refusal.code == "recursive-function"
    laughs = [function(f"f{i}", *[f"f{i + 1}"] * 10) for i in range(9)]
    laughs.append(helper.make_function("local", "f9", ["a"], ["b"], [helper.make_node("Relu", ["a"], ["b"])], [helper.make_opsetid("",
                                                                                                                                   17)]))
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=nodes, functions=laughs, imports=imports)).refusal.code == "too-many-nodes"


def test_nan_weights_name_the_initializer_and_infinite_ones_warn(tmp_path: Path) -> None:
    w = np.zeros((4, 3), np.float32)
    bias = numpy_helper.from_array(np.zeros(3, np.float32), "b")
    w[1, 2] = np.nan
    refusal = refused(onnx_file(tmp_path / "model.onnx", inits=[numpy_helper.from_array(w, "w"), bias])).refusal
    assert refusal.code == "nan-weights"
    assert "'w'" in refusal.where
    w[1, 2] = np.inf
    card = look(onnx_file(tmp_path / "model.onnx", inits=[numpy_helper.from_array(w, "w"), bias]), "model")
    assert "infinite-weights" in {problem.code for problem in card.problems}


def test_a_name_that_no_database_keeps(tmp_path: Path) -> None:
    model = onnx_model()
    model.graph.input[0].name = model.graph.node[0].input[0] = "x\0y"
    (tmp_path / "nul.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(OptimizerError) as caught:
        look(tmp_path / "nul.onnx", "model")
    assert caught.value.refusal.code == "bad-name"
    assert "\0" not in str(caught.value)


def test_four_terabytes_asked_for_while_running(tmp_path: Path) -> None:
    shape = numpy_helper.from_array(np.array([1 << 20, 1 << 20], np.int64), "s")
    nodes = [helper.make_node("ConstantOfShape", ["s"], ["big"]), helper.make_node("ReduceSum", ["big"], ["z"], keepdims=0),
             helper.make_node("Add", ["x", "z"], ["y"])]
    assert refused(onnx_file(tmp_path / "model.onnx", nodes=nodes, inits=[shape])).refusal.code in ("too-large", "runtime-fails",
                                                                                                     "runtime-refuses")


def test_a_fixed_batch_and_several_inputs_are_told(tmp_path: Path) -> None:
    nodes = [helper.make_node("Add", ["x", "x2"], ["y"])]
    model = onnx_model(nodes, [])
    model.graph.input.append(helper.make_tensor_value_info("x2", TensorProto.FLOAT, ("n", 4)))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 4
    card = look(saved(tmp_path / "model.onnx", model), "model")
    assert "several-inputs" in {problem.code for problem in card.problems}
    assert card.family == "graph"


def test_safetensors_headers(tmp_path: Path) -> None:
    import json

    def written(header: object, data: bytes = bytes(16), length: int | None = None) -> Path:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        path = tmp_path / "model.safetensors"
        path.write_bytes((len(raw) if length is None else length).to_bytes(8, "little") + raw + data)
        return path

    def entry(*offsets: int, dtype: str = "F32", shape: tuple = (4,)) -> dict:
        return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}

    assert audit(written({"w": entry(0, 16)})) == "safetensors"
    cases = [({"w": entry(0, 16)}, bytes(16), 2**63, "truncated"), ({"w": entry(0, 16)}, bytes(9), None, "size-differs"),
             ({"w": entry(0, 17)}, bytes(17), None, "bad-offsets"),
             ({"a": entry(0, 16), "b": entry(8, 24)}, bytes(24), None, "bad-offsets"),
             ({"a": entry(4, 20)}, bytes(20), None, "bad-offsets"), ({"w": entry(0, 16, dtype="PICKLE")}, bytes(16), None, "unknown-dtype"),
             (b'{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}',
              bytes(16), None,
              "duplicate-key"), (b'{"w":' + b"[" * 5000 + b"]" * 5000 + b"}", b"", None, "too-deep"),
              (b"{not json}", b"", None, "bad-json"),
             ({"w": entry(0, 16, shape=(2**62, 2**62))}, bytes(16), None, "bad-header"), ({}, b"", None, "empty")]
    for header, data, length, code in cases:
        with pytest.raises(OptimizerError) as caught:
            audit(written(header, data, length))
        assert caught.value.refusal.code == code, header
