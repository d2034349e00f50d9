"""The recipes a plan is made of, in the order they are worth trying."""

from __future__ import annotations

from optimizers.cards import DatasetCard, ModelCard
from optimizers.chains import CHAINS, CODE, DISTILL, INT8, TUNE, Step, prune
from optimizers.device import Device
from optimizers.refusals import RECURRENT
from optimizers.search.pace import FEW_ROWS

Steps = tuple[Step, ...]

SENSITIVE: Step = ("quantize-static", {"sensitivity": True})

# Those that cost seconds come first, so something can be taken away at once; then those that train.
FROM_MODEL: tuple[Steps, ...] = (
    (INT8,),
    (SENSITIVE,),
    (("quantize-dynamic", {}),),
    (("half-precision", {}),),
    (("low-rank", {"share": 0.5}), INT8),
    CHAINS["small-and-fast"].steps,
    CHAINS["half"].steps,
    CHAINS["four-bits"].steps,
    (prune(0.3), DISTILL),
    CHAINS["factored"].steps,
    CHAINS["smallest"].steps,
    (prune(0.5), DISTILL),
    CHAINS["quarter"].steps,
    (TUNE, INT8),
    (INT8, CODE),
    CHAINS["few-bytes"].steps,
    CHAINS["deep-compression"].steps,
    (prune(0.5), DISTILL, ("half-precision", {})),
    CHAINS["thin-filters"].steps,
)
STORED: tuple[Steps, ...] = tuple((("quantize-weights", {"bits": bits, "others": "stored"}),) for bits in (8, 4))
WITH_BLOCKS: Steps = (("prune-blocks", {"count": 1}), DISTILL, INT8)
WITH_HEADS: Steps = (("prune-heads", {"share": 0.25}), DISTILL, INT8)
# For rows that are no pictures. The first stands within seconds and is rarely far from the best; those that need others come after them.
ESTIMATORS: tuple[Step, ...] = (
    ("boost", {}),
    ("base-model", {"kind": "linear"}),
    ("forest", {"kind": "extra"}),
    ("adaboost", {}),
    ("boost", {"library": "xgboost"}),
    ("forest", {}),
    ("select", {}),
    ("tune", {}),
    ("base-model", {"depth": 8, "least": 5}),
    ("boost", {"library": "histogram"}),
    ("bag", {}),
    ("vote", {}),
    ("stack", {}),
    ("base-model", {"kind": "small-network"}),
    ("base-model", {"kind": "neighbours"}),
)
FROM_ESTIMATOR: tuple[Steps, ...] = ((("compile-trees", {}),), (CODE,))
AFTER_TRAINING: tuple[Steps, ...] = ((), (INT8,), (("half-precision", {}),))
LATER: tuple[Steps, ...] = (CHAINS["small-and-fast"].steps, CHAINS["half"].steps, CHAINS["four-bits"].steps)
LAST = {"prune-blocks", "prune-heads"}      # techniques that are tried when all else was


def from_model(model: ModelCard) -> list[Steps]:
    """What suits any network; last, what only a network with blocks or heads has. Of one with recurrent layers, stored weights come first:
    integers are not for state. An estimator has no layers to change, and the sentence says so for each technique of networks.
    """
    if model.family == "estimator":
        return [*FROM_ESTIMATOR, *FROM_MODEL]
    recurrent = any(layer.operator in RECURRENT for layer in model.layers)
    return [*(STORED if recurrent else ()), *FROM_MODEL, *([WITH_BLOCKS] if has_blocks(model) else []),
            *([WITH_HEADS] if has_heads(model) else [])]


def has_blocks(model: ModelCard) -> bool:
    """Whether sums are left when each matrix product has had one for its bias: then something goes around something.

    Attention stands in a block of its own, whether or not its products have biases.
    """
    return model.operators.get("Add", 0) + model.operators.get("Sum", 0) > products(model) or has_heads(model)


def has_heads(model: ModelCard) -> bool:
    """Whether there is a Softmax, and at least two products of computed values: of queries and keys, and of shares and values."""
    return "Softmax" in model.operators and model.operators.get("MatMul", 0) - products(model) >= 2


def products(model: ModelCard) -> int:
    """MatMul nodes that hold weights."""
    return sum(layer.operator == "MatMul" for layer in model.layers)


def from_scratch(dataset: DatasetCard | None, device: Device, study: bool = False) -> list[Steps]:
    """Each suggested zoo network, trained and quantized, then the deeper cuts in the same order; for tables estimators before them.

    study: estimators alone, of every family.
    """
    from optimizers.models import zoo

    vectors = dataset is not None and len(dataset.row_shape) == 1
    estimators: list[Steps] = [(step,) for step in ESTIMATORS] if vectors or study else []
    if study:
        return estimators
    names = zoo.suggest(dataset, device) if dataset is not None else []
    if dataset is not None and dataset.splits.get("train", dataset.rows) < FEW_ROWS and "dscnn" in names:
        names = ["dscnn", *[name for name in names if name != "dscnn"]]     # of all, it learns most from little
    first = [(("train", {"architecture": name}), *rest) for name in names for rest in AFTER_TRAINING]
    return estimators + first + [(("train", {"architecture": name}), *rest) for rest in LATER for name in names]
