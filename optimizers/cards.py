"""What inspection found. Everything decided before work (forms, dry run, refusals, estimates) is decided from cards."""

from typing import Literal

from optimizers.values import Value

Family = Literal["network", "graph", "estimator"]
# network: read into torch, so it can be trained, pruned and quantized.  graph: runs in ONNX Runtime only (control flow, int8 ...):
# it can be measured, and compressed as far as the runtime's own tools go.  estimator: trees, lines, neighbours, or several together.

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")         # operators whose second input is a weight


class Problem(Value):
    """Something to look at. severity: info (for your information), warn (look at this), error (refused)."""

    severity: Literal["info", "warn", "error"]
    wrong: str
    where: str = ""
    mend: str = ""
    code: str = ""


class Tensor(Value):
    """One input or output. shape: a fixed extent, or None where it is free (the batch axis)."""

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class Layer(Value):
    """One node that holds weights. shapes without the batch axis; macs for one row."""

    name: str
    operator: str
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    parameters: int = 0
    macs: int = 0


class ModelCard(Value):
    """An uploaded or produced model, as inspection saw it."""

    kind: Literal["onnx", "torch-export", "safetensors", "xgboost", "lightgbm", "skops"]
    family: Family
    title: str                              # "ONNX network, opset 20"
    task: Literal["classification", "regression", "other"] = "other"
    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()
    classes: int | None = None              # width of the last axis of a (batch, classes) output
    scores: tuple[str, ...] = ()            # outputs that look like class scores, so that an arg-max means something
    parameters: int = 0
    macs: int | None = None                 # for one row; None where shapes are free
    activation_bytes: int | None = None     # largest sum of float32 tensors alive at once, one row
    opset: int | None = None
    operators: dict[str, int] = {}
    layers: tuple[Layer, ...] = ()
    constants: dict[str, bool | int | float] = {}       # of several inputs: a single whole number -> what it is taken to be
    carried: dict[str, str] = {}            # of several inputs: one that holds state -> the output that is taken to give it back
    buried: dict[str, str] = {}             # layers inside If, Loop or Scan, where no technique reaches -> that node
    quantized: bool = False
    architecture: str | None = None         # zoo name, for safetensors
    weights_dtype: str = "float32"
    trees: int = 0                          # of an estimator
    nodes: int = 0                          # splits and leaves of all trees
    depths: tuple[int, ...] = ()            # how many trees ask 0, 1, 2 ... questions on their longest way
    class_names: tuple[str, ...] = ()       # in label order, where the file says them
    columns: tuple[str, ...] = ()           # names of the features, where the file says them
    problems: tuple[Problem, ...] = ()
    inspected_seconds: float = 0.0


class ColumnCard(Value):
    """A column of a table. type: number, category, date, text, id-like, constant, empty.  said: a person gave the type.

    out: why it becomes no feature: its type, "target", "dropped" or "split"; empty where it does.  distinct: None above 10,000.
    low, high: numbers, or days as text.  bins: counts between low and high.  top: the most frequent values.
    gaps: per cent missing in each of 24 equal stretches of rows; empty where nothing is.
    alone: how well it alone predicts the target on train, 0 (as well as knowing nothing) to 1, half of the rows learned from.
    """

    name: str
    type: str
    said: bool = False
    out: str = ""
    missing: int = 0
    distinct: int | None = None
    example: str | None = None
    low: float | str | None = None
    high: float | str | None = None
    mean: float | None = None
    bins: tuple[int, ...] = ()
    top: tuple[tuple[str, int], ...] = ()
    gaps: tuple[int, ...] = ()
    alone: float | None = None


class DatasetCard(Value):
    """An uploaded dataset, as inspection saw it."""

    kind: Literal["images", "array", "table"]     # array: npz or idx;  images: a zip of class folders;  table: CSV and its like
    title: str                              # "Image folders, 750 images"
    rows: int = 0
    splits: dict[str, int] = {}             # {"train": 1257, "validation": 180, "test": 360}
    split_how: str = ""                     # "declared train/ and test/ folders; validation is 15 % of train, by content hash"
    task: Literal["classification", "regression", "unlabelled"] = "classification"
    classes: tuple[str, ...] = ()           # names in label order
    class_counts: tuple[int, ...] = ()
    row_shape: tuple[int, ...] = ()         # channels, height, width for pictures (as they would be served); (features,) for tables
    row_dtype: str = "uint8"
    columns: tuple[ColumnCard, ...] = ()
    target: str | None = None
    targets: tuple[str, ...] = ()           # columns that could be the target, the likely ones first
    preview: tuple[str, ...] = ()           # pictures as data:image/png;base64 (at most 16, at most 64 px), or rows as JSON text
    preview_labels: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    inspected_seconds: float = 0.0
