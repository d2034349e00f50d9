"""Each kind of upload becomes a network, and what is unsafe or does not fit is refused in words."""

import pickle
import zipfile

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import save_file

from optimizers.errors import OptimizerError
from optimizers.models import graph, zoo
from optimizers.models.load import load_model
from optimizers.models.state import as_state


def refusal(path, options=None):
    with pytest.raises(OptimizerError) as caught:
        load_model(path, None, options or {})
    return caught.value.refusal


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small program saved by torch.export, its batch fixed to 1, with the torch module it came from."""
    folder = tmp_path_factory.mktemp("pt2")
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 6, 3, padding=1), torch.nn.BatchNorm2d(6), torch.nn.ReLU(),
                                 torch.nn.AdaptiveAvgPool2d(1),
                                 torch.nn.Flatten(), torch.nn.Linear(6, 4)).eval()
    torch.export.save(torch.export.export(module, (torch.rand(1, 1, 8, 8),)), folder / "net.pt2")
    return folder / "net.pt2", module


def test_torch_export_becomes_a_trainable_network(exported):
    path, module = exported
    network = load_model(path)
    x = np.random.default_rng(0).random((5, 1, 8, 8), np.float32)
    want = module(torch.from_numpy(x)).detach().numpy()
    assert np.allclose(graph.run(network.proto, x)[0], want, atol=1e-5)
    layers = {type(layer) for layer in network.to_torch().modules()}
    assert {torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear} <= layers


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def rebuilt(path, target, change):
    """The archive with each record passed through change(name, content)."""
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w") as fresh:
        for name in archive.namelist():
            fresh.writestr(name, change(name, archive.read(name)))
    return target


def test_a_pickle_among_the_sample_inputs_never_runs(exported, tmp_path):
    fired = tmp_path / "fired"
    hostile = rebuilt(exported[0], tmp_path / "net.pt2", lambda name,
                      content: pickle.dumps(Bomb(fired)) if "sample_inputs" in name else content)
    assert load_model(hostile).proto.graph.node
    assert not fired.exists()


def test_weights_stored_as_pickles_are_refused(exported, tmp_path):
    fired = tmp_path / "fired"

    def change(name, content):
        if name.endswith("model_weights_config.json"):
            return content.replace(b'"use_pickle": false', b'"use_pickle": true')
        return pickle.dumps(Bomb(fired)) if "/weights/weight_" in name else content

    told = refusal(rebuilt(exported[0], tmp_path / "net.pt2", change))
    assert told.code == "pt2-pickle" and not fired.exists()


def test_a_cut_archive_is_refused(exported, tmp_path):
    (tmp_path / "net.pt2").write_bytes(exported[0].read_bytes()[:3000])
    assert refusal(tmp_path / "net.pt2").code == "pt2-truncated"


def test_onnx_truncated_external_or_invalid_is_refused(tmp_path):
    whole = zoo.build("tiny-cnn", (1, 8, 8), 10).serialize()
    path = tmp_path / "net.onnx"
    path.write_bytes(whole[:-500])
    assert refusal(path).code in ("onnx-truncated", "onnx-invalid")
    outside = onnx.load_from_string(whole)
    tensor = outside.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    path.write_bytes(outside.SerializeToString())
    told = refusal(path)
    assert told.code == "external-data" and tensor.name in told.wrong
    broken = onnx.load_from_string(whole)
    broken.graph.node[0].input[0] = "nowhere"
    path.write_bytes(broken.SerializeToString())
    assert refusal(path).code == "onnx-invalid"
    assert refusal(tmp_path / "net.h5").code == "model-kind"


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_a_state_finds_its_architecture_and_fills_it(name, tmp_path):
    row = (9,) if name == "mlp" else (1, 28, 28)
    network = zoo.build(name, row, 5, seed=4)
    save_file(as_state(network), tmp_path / "state.safetensors")
    assert f"It fits '{name}'" in refusal(tmp_path / "state.safetensors").mend
    back = load_model(tmp_path / "state.safetensors", None, {"architecture": name})
    x = np.random.default_rng(0).random((2, *row), np.float32)
    assert np.array_equal(graph.run(network.proto, x)[0], graph.run(back.proto, x)[0])


def test_a_state_that_does_not_fit_is_told_by_tensor(tmp_path):
    state = as_state(zoo.build("tiny-cnn", (1, 8, 8), 10))
    state["stranger"] = torch.zeros(2)
    del state["top.bn.bias"]
    state["middle.bn.weight"] = torch.zeros(3)
    save_file(state, tmp_path / "state.safetensors")
    told = refusal(tmp_path / "state.safetensors", {"architecture": "tiny-cnn"})
    assert told.code == "state-differs"
    for part in ("missing top.bn.bias", "unexpected stranger", "middle.bn.weight is (3,), not (32,)"):
        assert part in told.wrong
    assert "There is no architecture 'vgg'" in refusal(tmp_path / "state.safetensors", {"architecture": "vgg"}).wrong


def test_a_state_of_another_architecture_is_pointed_to_the_right_one(tmp_path):
    save_file(as_state(zoo.build("resnet8", (1, 28, 28), 10)), tmp_path / "state.safetensors")
    assert "'resnet8'" in refusal(tmp_path / "state.safetensors", {"architecture": "dscnn"}).mend


def test_preprocessing_can_be_given(tmp_path):
    (tmp_path / "net.onnx").write_bytes(zoo.build("tiny-cnn", (1, 8, 8), 10).serialize())
    assert load_model(tmp_path / "net.onnx", None, {"preprocessing": {"scale": "-1-1"}}).preprocessing.scale == "-1-1"


@pytest.mark.parametrize("kind", [np.float16, np.float64])
def test_half_and_double_precision_become_float32(kind, tmp_path):
    proto = onnx.load_from_string(zoo.build("tiny-cnn", (1, 8, 8), 10).serialize())
    for tensor in proto.graph.initializer:
        tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor).astype(kind), tensor.name))
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    del proto.graph.value_info[:]
    (tmp_path / "net.onnx").write_bytes(proto.SerializeToString())
    network = load_model(tmp_path / "net.onnx")
    x = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    out = graph.run(network.proto, x)[0]
    assert out.dtype == np.float32 and np.dtype(kind).name in network.notes[0] and network.why_not_torch() is None
    assert np.allclose(out, graph.run(zoo.build("tiny-cnn", (1, 8, 8), 10).proto, x)[0], atol=1e-2)
