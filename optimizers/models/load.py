"""Whatever was uploaded becomes one ONNX graph. The bytes were looked at before (audit); here the real libraries read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx
from google.protobuf.message import DecodeError

from optimizers.errors import OptimizerError
from optimizers.models.audit import ENDINGS, SUFFIXES
from optimizers.models.canonical import canonical, told_apart, without_weight_inputs
from optimizers.models.estimator import Estimator, read
from optimizers.models.graph import QUANTIZED
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing, said

if TYPE_CHECKING:
    from optimizers.cards import ModelCard

ESTIMATORS = {suffix: kind for kind in ("xgboost", "lightgbm", "skops") for suffix in SUFFIXES[kind]}


def load_model(path: Path, card: ModelCard | None = None, options: dict[str, Any] | None = None) -> Network:
    """options: "preprocessing" (its fields); "row" (the shape of one row as it is fed, where that is known); for safetensors
    "architecture" (zoo name) and "input_shape" (of one row).

    Returns a float32 network, an estimator, or a quantized network as it is. Raises OptimizerError for a file that cannot be used.
    A .pt2 is code: this is only ever called inside the cage.
    """
    found = loaded(path, card, options or {})
    network = found.network() if isinstance(found, Estimator) else found
    wanted = (options or {}).get("preprocessing")
    if not wanted:
        return network
    given = network.preprocessing
    return network.with_(preprocessing=Preprocessing(**said(wanted) | {"constants": given.constants, "carried": given.carried}))


def loaded(path: Path, card: ModelCard | None, options: dict[str, Any]) -> Network | Estimator:
    """What the suffix says; the audit saw to it that the bytes agree."""
    suffix = path.suffix.lower()
    if suffix in ESTIMATORS:
        return read(path, ESTIMATORS[suffix])
    if suffix == ".onnx":
        network: Network | Estimator = from_onnx_file(path, options)
    elif suffix == ".pt2":
        from optimizers.models.torch_export import from_torch_export

        network = from_torch_export(path)
    elif suffix == ".safetensors":
        from optimizers.models.state import from_state

        shape = options.get("input_shape")
        network = from_state(path, options.get("architecture") or (card.architecture if card else None), tuple(shape) if shape else None)
    else:
        raise OptimizerError(f"A model file ends in {', '.join(ENDINGS)}; this one ends in '{suffix[:20]}'.", path.name,
                             "Export the network to ONNX.", "model-kind")
    return network


def from_onnx_file(path: Path, options: dict[str, Any] | None = None) -> Network | Estimator:
    """The file checked and brought to the tidy form, or to that of trees."""
    try:
        proto = onnx.load_model(str(path), format="protobuf", load_external_data=False)
    except DecodeError:
        raise OptimizerError("The file is not a whole ONNX model: its bytes end early or are not ONNX.", path.name,
                             "Export it again, and check the size after copying.", "onnx-truncated") from None
    from optimizers.models.estimator_onnx import is_estimator, of_onnx

    if is_estimator(proto):
        check(proto, path.name)
        return of_onnx(proto, path.name)
    return from_proto(proto, path.name, options)


def from_proto(proto: onnx.ModelProto, where: str = "", options: dict[str, Any] | None = None) -> Network:
    """A checked, tidy network of a graph in memory, its further inputs bound. options: as of `load_model`."""
    from optimizers.models.bind import bound

    options = options or {}
    given, row = said(options.get("preprocessing") or {}), options.get("row")
    check(proto, where)
    if any(node.op_type in QUANTIZED for node in proto.graph.node):
        return bound(Network(told_apart(proto), state="quantized", notes=("Uploaded already quantized: it is measured as it is.",)), given)
    whole = bound(Network(without_weight_inputs(proto)), given, tuple(row) if row else None)
    tidy, notes = canonical(whole.proto)
    return whole.with_(proto=tidy).noting(*notes)


def check(proto: onnx.ModelProto, where: str) -> None:
    """Raises OptimizerError for weights outside of the file, and for what the checker of ONNX refuses."""
    refuse_external(proto, where)
    try:
        onnx.checker.check_model(proto, full_check=False)
    except (onnx.checker.ValidationError, ValueError) as error:
        first = (str(error).strip().splitlines() or ["no reason given"])[0][:200]
        raise OptimizerError(f"The ONNX checker refuses the graph: {first}", where, "Export it again with a recent exporter.",
                             "onnx-invalid") from None


def refuse_external(proto: onnx.ModelProto, where: str) -> None:
    """Weights kept in a second file are refused: only this one file was uploaded, and paths in it are a stranger's."""
    for tensor in tensors(proto.graph):
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise OptimizerError(f"The weights of '{tensor.name[:80]}' lie in another file (external data).", where,
                                 "Save the model with its weights inside: onnx.save(model, path, save_as_external_data=False).",
                                 "external-data")


def tensors(graph: onnx.GraphProto) -> list[onnx.TensorProto]:
    """Every stored tensor: initializers, attributes, and those of inner graphs."""
    found = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        found += [sparse.values, sparse.indices]
    for node in graph.node:
        for attribute in node.attribute:
            found += [attribute.t] if attribute.HasField("t") else []
            found += attribute.tensors
            if attribute.HasField("g"):
                found += tensors(attribute.g)
            for inner in attribute.graphs:
                found += tensors(inner)
    return found
