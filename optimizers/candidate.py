"""One model a job produced, lowered to what really ships, and measured."""

from typing import Annotated, Any, Literal

from pydantic import Field

from optimizers.goal import Breach
from optimizers.measurement import Change, Measurement
from optimizers.values import Value

Role = Literal["model", "recipe", "report", "readme", "bundle", "transfer", "decoder", "source"]


class File(Value):
    """A file that leaves the house. path: relative to the work folder's out/.

    role: model, recipe, report, readme, bundle; transfer is the model coded for its way, decoder the program that undoes that;
    source: C that model.so is made of, and what lies beside it.
    """

    role: Role
    name: Annotated[str, Field(max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    path: Annotated[str, Field(max_length=400, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]*$")]
    bytes: int
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    media_type: str = "application/octet-stream"


class Outcome(Value):
    """What one step of the recipe cost and bought. quality: on validation, of the file as it would ship after this step.

    download_kib: what would travel then; None in results from before it was told.
    """

    technique: str
    title: str
    seconds: float
    size_kib: float
    quality: float | None
    download_kib: float | None = None
    note: str = ""


class ClassRow(Value):
    """Recall of one class before and after, with the paired interval of the change in points."""

    name: str
    n: int
    before: float
    after: float
    low: float
    high: float


class Sensitivity(Value):
    """What is lost when only this layer is changed. loss: points of the metric on validation; negative means gained."""

    layer: str
    operator: str
    treatment: str              # "int8", "prune 50 %"
    loss: float
    error: float = 0.0          # mean squared change of the outputs, as a share of their variance
    kept_float: bool = False
    why: str = ""


class Fidelity(Value):
    """How faithful one output of the file, or one of its layers, is to the original's over the same rows.

    sqnr_db: 10 log10 of signal power over error power; None where there is no error at all.  cosine: of outputs only, mean over rows.
    n: rows, of the test split for outputs and of validation for layers.
    """

    place: Literal["output", "layer"]
    name: str
    operator: str = ""
    sqnr_db: float | None = None
    low: float | None = None
    high: float | None = None
    cosine: float | None = None
    n: int


class BiasVariance(Value):
    """Why a way of learning errs, measured: it learned from `resamples` resamplings of train and answered the same `rows` each time.

    loss = bias + variance, in `measure`: the mean over rows of the squared distance between answer and truth, of the mean answer's
    distance to the truth (with whatever noise the labels have; made unbiased, so it can fall below 0), and of the answers' distances to
    their mean. For classes it is between probabilities and the true class as one (Brier 1950), so it is no label that is averaged.
    zero_one: (loss, bias, net variance) by Domingos 2000 ("A unified bias-variance decomposition"): bias is the share of rows where the
    most frequent answer is wrong, net variance what differing from it costs where it is right less what it gains where it is wrong.
    bias_range, variance_range: 95 % intervals over the resamplings; None in studies that did not ask.  seconds: of one fit.
    """

    resamples: int
    rows: int
    measure: Literal["squared error", "Brier score"]
    loss: float
    bias: float
    variance: float
    bias_range: tuple[float, float] | None = None
    variance_range: tuple[float, float] | None = None
    zero_one: tuple[float, float, float] | None = None
    seconds: float
    how: str


class Importance(Value):
    """Points of the metric lost on validation when one column's cells are shuffled among rows, with the interval over shufflings."""

    column: str
    loss: float
    low: float
    high: float


class Dependence(Value):
    """The mean answer as one column is set to each of `at` (numbers, or categories) in every row. answer: which output, "class >50K"."""

    column: str
    at: tuple[float | str, ...]
    mean: tuple[float, ...]
    answer: str = ""


class Scores(Value):
    """How the scores of one class fall on the test split: counts of rows that are of it and that are not, by equal bins of 0 to 1.
    ROC, precision and recall, calibration and every threshold follow from these.
    """

    name: str
    of_it: tuple[int, ...]
    of_others: tuple[int, ...]


class Candidate(Value):
    """key: short hash of the recipe and its inputs; the same recipe has the same key.

    in_float: layers of the original whose weights are float32 in this file too.  whole: those whose weights have their old shape.
    Both by name; empty for the baseline, and in results from before they were told.
    """

    key: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
    title: str                  # "prune 50 % + int8"
    recipe: dict[str, Any]
    baseline: bool = False
    measurements: dict[str, Measurement]
    change: Change | None = None        # on the test split, against the baseline; None for the baseline itself
    validation: float | None = None     # the metric on validation: what choices are made by
    fits: bool
    broke: tuple[Breach, ...] = ()
    floor_held_on_test: bool | None = None
    steps: tuple[Outcome, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    class_names: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()     # rows: true class, columns: predicted; test split
    sensitivity: tuple[Sensitivity, ...] = ()
    in_float: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    fidelity: tuple[Fidelity, ...] = ()             # where the metric is agreement or cosine
    study: BiasVariance | None = None
    importance: tuple[Importance, ...] = ()         # of tables, dearest first
    dependence: tuple[Dependence, ...] = ()         # of the columns that matter most
    scores: tuple[Scores, ...] = ()                 # of at most 20 classes
    residuals: tuple[tuple[float, float], ...] = () # (truth, answer) of at most 500 test rows, for amounts
    notes: tuple[str, ...] = ()         # "Slower than the original on this machine: 1.3 times.", "3 of 9 convolutions run in int8."
    files: tuple[File, ...] = ()


# The names of measurements a page may rely on; others may stand beside them.
#   top1 macro_f1 r2        quality on the test split, fraction in [0, 1], interval by bootstrap
#   agreement cosine        fidelity to the original on the same test rows, fraction, interval by bootstrap; 1 for the original
#   sqnr_db                 signal power over error power, in decibel, of the output that has least; absent without any error
#   size_kib                bytes of the shipped model file / 1024
#   download_kib            bytes that travel / 1024: model.onnx under DEFLATE, or model.esp
#   latency_ms              median on this server at batch 1, one thread;  latency_b64_ms: a batch of 64;
#                           latency_b1000_ms: of 1000, for tables
#   rows_s rows_b1000_s     rows a second at batch 1 and 1000, for tables
#   speedup                 baseline median / this, interleaved in the same run
#   fit_seconds             wall time of the steps that made it
#   trees tree_nodes tree_depth     of an estimator of trees, counted in the file; depth: of the deepest
#   macs                    multiply-accumulates of one inference
#   flash_kib ram_kib       on the device: modelled here until a linked program measures them
#   device_latency_ms       on the device: equal to latency_ms where the device is this server, else modelled
#   energy_mj               of one inference on the device
