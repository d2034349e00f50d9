"""What a recipe would weigh and take, modelled from cards: good enough to order a plan and to refuse the impossible."""

from __future__ import annotations

from math import prod

from optimizers.body import Body
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device
from optimizers.measure import device_model
from optimizers.measurement import Measurement
from optimizers.recipe import Recipe
from optimizers.training.settings import Fitting

MEASURE_SECONDS = 3.0           # latency repeats, bootstrap, hashing, files
LIBRARIES = 450 * 2**20         # bytes of torch, ONNX Runtime and the rest once loaded, as measured
CACHED_ROWS = 400 * 2**20       # bytes of fed rows that training keeps (training/batches.py)
STUDIED = 20                    # resamplings (ensembles/study.py)
BATCH = 64                      # rows in one call where nothing is trained


def body_of(card: ModelCard) -> Body:
    dense = sum(layer.parameters for layer in card.layers if layer.operator in ("Gemm", "MatMul", "LSTM"))
    return Body(card.parameters, card.macs or 0, card.activation_bytes or 0, nodes=sum(card.operators.values()) or 30,
                dynamic=dense / card.parameters if card.parameters else 0.0)


def follow(body: Body, recipe: Recipe) -> Body:
    for step in recipe.steps:
        body = step.body(body)
    return body


def file_kib(body: Body) -> float:
    """Weights, and about 0.12 KiB a node for names and attributes; int8 adds scales and Q/DQ nodes, three times that."""
    return body.weight_bytes / 1024 + body.nodes * (0.36 if body.dtype == "int8" else 0.12) + 1


def sent_kib(body: Body) -> float:
    """What travels: DEFLATE takes a tenth off weights as trained, and most off names and attributes."""
    return 0.9 * body.sent_bytes / 1024 + body.nodes * (0.06 if body.dtype == "int8" else 0.02) + 0.5


def on_device(body: Body, device: Device) -> dict[str, Measurement]:
    """The modelled measurements by name, as far as the card and the profile go."""
    size = file_kib(body)
    found: dict[str, Measurement | None] = {
        "size_kib": Measurement(value=size, unit="KiB", origin="modelled", how="Parameters by type, and the graph's nodes"),
        "download_kib": Measurement(value=sent_kib(body), unit="KiB", origin="modelled",
                                    how="Weights as they travel, and the graph's nodes"),
        "flash_kib": device_model.flash(body.weight_bytes, size * 1024, device),
    }
    if body.activations:
        found["ram_kib"] = device_model.ram(body.activations, size * 1024, device)
    if body.macs and (took := device_model.latency({body.dtype: int(body.macs)}, device)):
        found["device_latency_ms"] = took
        found["energy_mj"] = device_model.energy(took, device)
    return {name: value for name, value in found.items() if value is not None}


def seconds(recipe: Recipe, model: ModelCard | None, dataset: DatasetCard | None, done: set[str]) -> float:
    """Seconds for the steps that no earlier recipe shares, and for measuring. done: prefixes already paid for; grows."""
    rows = dataset.splits.get("test", 500) + dataset.splits.get("validation", 500) if dataset else 1000
    estimated = bool(recipe.steps) and recipe.steps[0].gives == "estimator"
    total = MEASURE_SECONDS + (0.0 if estimated else rows * ((model.macs if model else None) or 1e7) / 2.5e10)
    prefix = str(recipe.seed)
    for step in recipe.steps:
        prefix += repr(step.dump())
        if prefix not in done:
            done.add(prefix)
            total += step.seconds(model, dataset)
        if model is not None:          # what follows runs on the network as it is then
            left = step.body(body_of(model))
            model = model.model_copy(update={"macs": int(left.macs) or None, "parameters": int(left.parameters)})
    return total


def study(recipe: Recipe, dataset: DatasetCard | None) -> float:
    """Seconds to fit the step again to each resampling."""
    return STUDIED * sum(step.seconds(None, dataset) for step in recipe.steps)


def memory_bytes(recipe: Recipe, model: ModelCard | None, dataset: DatasetCard | None) -> float:
    """The most a run of the recipe holds: libraries, rows as they are fed, and for training a batch's activations with gradients."""
    row = prod(dataset.row_shape) if dataset else 0
    rows = dataset.splits.get("train", dataset.rows) if dataset else 0
    held = LIBRARIES + min(CACHED_ROWS, rows * row * 4.0) + 2.0 * (dataset.rows if dataset else 0) * row
    values = sum(prod(layer.output_shape) for layer in model.layers) if model else 20 * row
    parameters = model.parameters if model else 1e5
    batches = [step.batch for step in recipe.steps if isinstance(step, Fitting)]
    return held + 16.0 * parameters + 4.0 * values * max([2.5 * max(batches, default=0), BATCH])


def zoo_body(architecture: str) -> Body | None:
    """The figures of a zoo network before it is built: its weights; MACs and activations are not known yet."""
    from optimizers.models.zoo import ARCHITECTURES

    entry = ARCHITECTURES.get(architecture)
    return Body(parameters=entry.kib * 256, macs=0, activations=0) if entry else None
