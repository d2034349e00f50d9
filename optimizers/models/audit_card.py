"""Stage B of a model upload: the real libraries read it, run it once on zeros, and the card says what they saw.  Runs in the cage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from optimizers.cards import ModelCard, Problem, Tensor
from optimizers.errors import OptimizerError
from optimizers.models import graph_facts
from optimizers.models.audit import Kind
from optimizers.models.card_of_estimator import estimator_card
from optimizers.models.estimator import Estimator
from optimizers.models.graph_facts import GraphFacts
from optimizers.models.load import loaded, tensors
from optimizers.models.network import Network
from optimizers.models.scores import looks_like_scores

MOST_LAYERS = 2_000             # on a card
MOST_ACTIVATIONS = 4 << 30      # bytes of one row
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}


def card_of(path: Path, kind: Kind, options: Mapping[str, Any]) -> ModelCard:
    """Raises OptimizerError when no library can read or run the model."""
    network = loaded(path, None, dict(options))
    if isinstance(network, Estimator):
        return estimator_card(network, kind)
    problems = list(check_weights(network.proto))
    facts = graph_facts.analyse(network.proto)
    outputs, ran, scores = tried(network, facts)
    reason = why_graph(network)
    task, classes = task_of(network.proto, outputs)
    problems += [*ran, *(info(note, code="on-reading") for note in network.notes), *input_problems(facts.inputs)]
    if reason:
        problems.append(reason)
    if facts.buried:
        where = ", ".join(dict.fromkeys(facts.buried.values()))
        problems.append(info(f"{len(facts.buried)} of {len(facts.layers)} layers lie inside of control flow, where nothing here changes "
                             "them but half precision.", where, "Export the branch that is used, without the condition.", "control-flow"))
    if len(facts.layers) > MOST_LAYERS:
        problems.append(info(f"The card lists the first {MOST_LAYERS:,} of {len(facts.layers):,} layers.", code="layers-cut"))
    return ModelCard(
        kind=kind, family="graph" if reason else "network", title=title(kind, network, facts, options), task=task, classes=classes,
        inputs=facts.inputs, outputs=outputs, scores=scores, parameters=facts.parameters, macs=facts.macs,
        activation_bytes=facts.activation_bytes,
        opset=opset(network.proto), operators=facts.operators, layers=facts.layers[:MOST_LAYERS], quantized=facts.quantized,
        buried=dict(list(facts.buried.items())[:MOST_LAYERS]),
        architecture=options.get("architecture") if kind == "safetensors" else None, weights_dtype=facts.weights_dtype,
        problems=tuple(problems))


def title(kind: Kind, network: Network, facts: GraphFacts, options: Mapping[str, Any]) -> str:
    version = f"opset {opset(network.proto)}"
    if kind == "safetensors":
        return f"Weights of {options.get('architecture')} (safetensors)"
    if kind == "torch-export":
        return f"PyTorch network (torch.export), read as ONNX {version}"
    return f"ONNX network, {version}{', quantized' if facts.quantized else ''}"


def opset(proto: onnx.ModelProto) -> int | None:
    return next((entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")), None)


def check_weights(proto: onnx.ModelProto) -> Iterator[Problem]:
    """NaN weights make every output NaN: refused.  Infinite ones are a mask's at times: warned about."""
    for tensor in tensors(proto.graph):
        if tensor.data_type not in FLOATS:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        if np.isnan(values).any():
            raise OptimizerError(f"{int(np.isnan(values).sum()):,} of {values.size:,} weights are NaN.",
                                 f"initializer '{tensor.name[:80]}'", "Training has diverged: go back to an earlier checkpoint.",
                                 "nan-weights")
        if np.isinf(values).any():
            yield Problem(severity="warn", wrong=f"{int(np.isinf(values).sum()):,} of {values.size:,} weights are infinite.",
                          where=f"initializer '{tensor.name[:80]}'", mend="Fine in an attention mask; elsewhere the network is broken.",
                          code="infinite-weights")


def tried(network: Network, facts: GraphFacts) -> tuple[tuple[Tensor, ...], list[Problem], tuple[str, ...]]:
    """(outputs with the shapes seen, problems, names of outputs that look like class scores) of one run on zeros in ONNX Runtime.

    Raises OptimizerError.
    """
    import onnxruntime

    if (facts.activation_bytes or 0) > MOST_ACTIVATIONS:
        raise OptimizerError(f"One row needs {(facts.activation_bytes or 0) / 2**30:,.1f} GB of activations; at most 4 GB are given.",
                             "the whole graph", "Export the network for smaller inputs.", "too-large")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(network.serialize(), options, providers=["CPUExecutionProvider"])
    except Exception as fault:      # the runtime's own classes have no common base but this
        raise OptimizerError(f"ONNX Runtime cannot load the network: {first_line(fault)}", "the whole graph",
                             "Export it again with standard operators, opset 9 or newer.", "runtime-refuses") from fault
    free = any(extent is None for tensor in facts.inputs for extent in tensor.shape[1:])
    try:
        results = session.run(None, {tensor.name: zeros(tensor) for tensor in facts.inputs})
    except Exception as fault:
        if not free:
            raise OptimizerError(f"ONNX Runtime cannot run the network on one row of zeros: {first_line(fault)}", "the whole graph",
                                 "Run it yourself in ONNX Runtime, mend the graph and export again.", "runtime-fails") from fault
        return facts.outputs, [info("The network was not tried: its inputs have free axes whose sizes are not known here.",
                                    ", ".join(tensor.name for tensor in facts.inputs), code="not-tried")], ()
    scores = tuple(tensor.name for tensor, result in zip(facts.outputs, results, strict=True)
                   if isinstance(result, np.ndarray) and looks_like_scores(result))
    return seen(facts.outputs, results), not_finite(facts.outputs, results), scores


def zeros(tensor: Tensor) -> np.ndarray:
    """One row of zeros; free axes get 1."""
    kinds = {"float32": np.float32, "float64": np.float64, "float16": np.float16, "bool": np.bool_}
    kind = kinds.get(tensor.dtype) or (np.dtype(tensor.dtype) if tensor.dtype.lstrip("u").startswith("int") else None)
    if kind is None:
        raise OptimizerError(f"An input takes {tensor.dtype}, which is not fed here.", tensor.name,
                             "Export the network with numeric inputs.", "input-type")
    return np.zeros([1 if extent is None else extent for extent in tensor.shape], kind)


def seen(outputs: tuple[Tensor, ...], results: list[Any]) -> tuple[Tensor, ...]:
    """Declared shapes, with free extents after the batch filled in from what came out."""
    filled = []
    for tensor, result in zip(outputs, results, strict=True):
        real = getattr(result, "shape", ())
        if len(tensor.shape) == len(real):
            shape: tuple[int | None, ...] = (*tensor.shape[:1], *(int(r) if d is None else d for d, r in zip(tensor.shape[1:], real[1:])))
        else:
            shape = (None, *(int(r) for r in real[1:])) if len(real) else ()
        filled.append(tensor.model_copy(update={"shape": shape}))
    return tuple(filled)


def not_finite(outputs: tuple[Tensor, ...], results: list[Any]) -> list[Problem]:
    return [Problem(severity="warn", wrong="A row of zeros gives NaN or infinite outputs.", where=tensor.name,
                    mend="Check the network's normalization, such as a division by the standard deviation.", code="not-finite")
            for tensor, result in zip(outputs, results, strict=True)
            if isinstance(result, np.ndarray) and result.dtype.kind == "f" and not np.isfinite(result).all()]


def why_graph(network: Network) -> Problem | None:
    """Why torch cannot hold the graph, so that it can be measured and quantized but not trained; None when it can."""
    try:
        refusal = network.why_not_torch()
    except Exception as fault:      # a graph nobody foresaw: it still runs in the runtime, so it is not refused
        return info(f"The network cannot be read into torch ({type(fault).__name__}), so it cannot be trained or pruned.",
                    "the whole graph", "Export it anew with torch.onnx.export or a newer tool.", "graph-only")
    return info(refusal.wrong, refusal.where, refusal.mend, refusal.code) if refusal else None


def task_of(proto: onnx.ModelProto, outputs: tuple[Tensor, ...]) -> tuple[Any, int | None]:
    """(batch, k) with k >= 2 are class scores, one sigmoid is the second of two classes, (batch, 1) or (batch,) else an amount."""
    if len(outputs) != 1 or not outputs[0].dtype.startswith("float"):
        return "other", None
    shape = outputs[0].shape
    if len(shape) == 2 and shape[1] is not None and shape[1] > 1:
        return "classification", shape[1]
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        return "other", None
    last = next((node.op_type for node in proto.graph.node if outputs[0].name in node.output), "")
    return ("classification" if last == "Sigmoid" else "regression"), 1


def input_problems(inputs: tuple[Tensor, ...]) -> Iterator[Problem]:
    if len(inputs) > 1:
        yield Problem(severity="warn", wrong=f"The network has {len(inputs)} inputs; jobs feed networks with one.",
                      where=", ".join(tensor.name for tensor in inputs)[:200], mend="Export it with a single input.", code="several-inputs")
    elif inputs and inputs[0].shape and inputs[0].shape[0] is not None:
        yield info(f"The batch axis is fixed to {inputs[0].shape[0]}, so rows go through one batch at a time.", inputs[0].name,
                   "Export with a free batch axis (dynamic_shapes) to be able to train.", "fixed-batch")


def first_line(fault: Exception) -> str:
    """What the library said, one line, without paths."""
    text = (str(fault).strip().splitlines() or ["no reason given"])[0]
    return " ".join(word for word in text.split() if "/" not in word)[:200]


def info(wrong: str, where: str = "", mend: str = "", code: str = "") -> Problem:
    return Problem(severity="info", wrong=wrong[:500], where=where[:200], mend=mend[:500], code=code)
