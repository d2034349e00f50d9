"""The page beside a model file that says how to run it: Python that works as it stands, preprocessing spelled out line by line."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from optimizers.data.table_rows import MISSING
from optimizers.models.graph import numpy_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizers.candidate import Candidate
    from optimizers.measure.shipped import Shipped
    from optimizers.models.preprocessing import Preprocessing

CODED = """What travels is `model.esp`, {sent:.1f} KiB. Make `model.onnx` of it first; the `decode.py` beside it needs Python alone:

    python decode.py model.esp model.onnx

It gives the file back byte for byte (its SHA-256 is {sha256}), or says what is wrong.

"""
BUILT = """`model.so` is C compiled for Linux on {target}: `model_predict(x, out)` for one row, `model_predict_rows(x, rows, out)` for
many, as `model.h` says. `make` builds it again of `model.c` with another compiler or for another processor; `python3 predict.py`
compares its answers to the rows of `selftest.npz` with those that were measured. `predict.py` is all the Python it takes:

"""
PAGE = """# {title}

{measured}

{coded}    pip install {packages}

```python
{code}```

{rows}
"""


def page(candidate: Candidate, shipped: Shipped, row_shape: tuple[int, ...], row_dtype: str, names: Sequence[str], task: str,
         features: Mapping[str, float | None] | None = None) -> str:
    """Markdown. row_shape, row_dtype: of one raw row, as the dataset held it.

    features: of a table, in their order, each number's median of train (for gaps), and None for a feature of the form column=value.
    """
    how = shipped.network.preprocessing
    return PAGE.format(
        title=f"How to run: {candidate.title}", measured=measured(candidate), coded=coded(shipped) + built(shipped),
        packages="numpy" + ("" if shipped.network.library else " onnxruntime") + (" pillow" if resizes(how, row_shape) else ""),
        code=code(how, shipped, row_shape, row_dtype, names, task, features or {}),
        rows=" ".join([told(row_shape, row_dtype, bool(features)), *given(shipped)]))


def coded(shipped: Shipped) -> str:
    """How to undo the coding, where there is one."""
    if shipped.transfer.content is None:
        return ""
    return CODED.format(sent=shipped.transfer.size / 1024, sha256=hashlib.sha256(shipped.content).hexdigest())


def given(shipped: Shipped) -> list[str]:
    """What the network's other inputs are given."""
    how = shipped.network.preprocessing
    said = [f"Of the original's inputs, `{name}` is fixed to {value} inside of the file." for name, value in how.constants.items()]
    return said + (["Rows of one sequence go in in their order; a new sequence begins without a state."] if shipped.carried else [])


def built(shipped: Shipped) -> str:
    """Where the file is compiled code: what for, and how to make it again."""
    return "" if shipped.network.library is None else BUILT.format(target=shipped.network.library.target)


def told(row_shape: tuple[int, ...], row_dtype: str, table: bool) -> str:
    """What a row is, in one sentence."""
    if table:
        return ("A row of the table goes in as a dictionary of its cells by column; the target is not needed, and gaps are filled. A date "
                "goes in as its parts, as FEATURES names them: `column:year`, `:month`, `:day`, `:weekday` and `:elapsed`.")
    if len(row_shape) != 1:
        if len(row_shape) != 3:
            return f"Rows are arrays of {' x '.join(map(str, row_shape))} numbers each, float32, as they were uploaded."
        kind = "bytes from 0 to 255" if row_dtype == "uint8" else "floats"
        return f"Rows are pictures of shape (n, channels, height, width), {kind}, as they were uploaded."
    return f"Rows are {row_shape[0] if row_shape else 1} numbers each, float32, as they were uploaded."


def measured(candidate: Candidate) -> str:
    """One line of what this file reached."""
    parts = []
    words = (("top1", "top-1"), ("macro_f1", "macro F1"), ("r2", "R²"), ("agreement", "agreement with the original"),
             ("cosine", "cosine similarity to the original"))
    for name, unit in words:
        if found := candidate.measurements.get(name):
            parts.append(f"{unit} {100 * found.value:.1f} % [{100 * found.low:.1f}, {100 * found.high:.1f}]" if name != "r2"
                         else f"{unit} {found.value:.3f} [{found.low:.3f}, {found.high:.3f}]")
    size = candidate.measurements["size_kib"]
    return f"Measured on the test split: {', '.join(parts)}; {size.value:.1f} KiB."


def code(how: Preprocessing, shipped: Shipped, row_shape: tuple[int, ...], row_dtype: str, names: Sequence[str], task: str,
         features: Mapping[str, float | None]) -> str:
    library = shipped.network.library
    runtime = "from predict import predict as ask" if library else "import onnxruntime"
    lines = ["import numpy as np", runtime, *(["from PIL import Image"] if resizes(how, row_shape) else []), ""]
    if task == "classification":
        lines += [f"CLASSES = {list(names)!r}", ""]
    lines += of_table(features) if features else []
    lines += [*([] if library else ['session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])', ""]), "",
              "def prepare(x):",
              *[f"    {line}" for line in steps(how, row_shape, row_dtype == "uint8")]]
    kind = numpy_name(shipped.input.type)
    rounded = "np.rint(x)" if "int" in kind else "x"
    lines += [f"    return np.ascontiguousarray({rounded}, np.{kind})", "", ""]
    rows = "(1, " + ", ".join(str(extent) for extent in row_shape) + ")"
    lines += [*(sequence(shipped) if shipped.carried else []), *predicting(shipped, task), "", "",
              f"row = row_of({cells_of(features)!r})        # put your own cells here" if features else
              f"row = np.zeros({rows}, np.{row_dtype if row_dtype == 'uint8' else 'float32'})        # put your own rows here"]
    answer = {"classification": "print(CLASSES[int(predict(row)[0].argmax())])", "regression": "print(float(predict(row)[0, 0]))",
              "unlabelled": "for name, values in predict(row).items():\n    print(name, values.shape, values.ravel()[:8])"}[task]
    if task == "classification" and shipped_width(shipped) == 1:
        answer = "print(CLASSES[int(predict(row)[0, 0] > 0.5)])"
    return "\n".join([*lines, answer]) + "\n"


def predicting(shipped: Shipped, task: str) -> list[str]:
    """The function that answers: class scores or amounts, (n, outputs); of a network whose outputs are its own, each by its name."""
    feed = f'{{"{shipped.input.name}": prepare(x)}}'
    if shipped.network.library:
        answer = f'{{"{shipped.output}": ask(prepare(x))}}' if task == "unlabelled" else "ask(prepare(x))"
        return ["def predict(x):", f"    return {answer}"]
    if shipped.carried:
        return ["def predict(x):", "    found, _ = listen(prepare(x))",
                "    return found" if task == "unlabelled" else f'    return found["{shipped.output}"].reshape(len(x), -1)']
    if task == "unlabelled":
        return ["def predict(x):", "    names = [value.name for value in session.get_outputs()]",
                f"    return dict(zip(names, session.run(names, {feed})))"]
    return ["def predict(x):", f'    return session.run(["{shipped.output}"], {feed})[0].reshape(len(x), -1)']


def sequence(shipped: Shipped) -> list[str]:
    """Code that gives rows to the network one by one, and with each the state that the one before it left."""
    return [f"CARRIED = {dict(shipped.carried)!r}       # input: the output whose last value it takes", "", "",
            "def listen(rows, state=None):",
            '    """Outputs for rows in order, and the state after them: give it back with the rows that follow."""',
            "    state = state or {value.name: np.zeros([n if isinstance(n, int) else 1 for n in value.shape],"
            ' np.float16 if "float16" in value.type else np.float32)',
            "                      for value in session.get_inputs() if value.name in CARRIED}",
            f"    names, found = {list(shipped.outputs)!r}, []",
            "    for row in rows:",
            f'        values = session.run(names + list(CARRIED.values()), {{"{shipped.input.name}": row[None], **state}})',
            "        state = dict(zip(CARRIED, values[len(names):]))",
            "        found.append(values[:len(names)])",
            "    return dict(zip(names, map(np.concatenate, zip(*found)))), state", "", ""]


def cells_of(features: Mapping[str, float | None]) -> dict[str, str]:
    """A row's columns, all empty."""
    return {name if typical is not None else name.partition("=")[0]: "" for name, typical in features.items()}


def of_table(features: Mapping[str, float | None]) -> list[str]:
    """Code that turns a row of the table into features, as reading the dataset did."""
    return [f"FEATURES = {dict(features)!r}       # a number's column with what fills a gap, or column=value",
            f"GAPS = {sorted(MISSING)!r}", "", "",
            "def row_of(cells):",
            "    found = []",
            "    for name, typical in FEATURES.items():",
            "        column, _, wanted = (name, '', '') if typical is not None else name.partition('=')",
            "        cell = str(cells.get(column, '')).strip()",
            "        gap = cell.lower() in GAPS",
            "        if typical is not None:",
            "            found.append(typical if gap else float(cell))",
            "        else:",
            "            found.append(float(('(missing)' if gap else cell)[:60] == wanted))",
            "    return np.array([found], np.float32)", "", ""]


def steps(how: Preprocessing, row_shape: tuple[int, ...], byte: bool) -> list[str]:
    """The same steps as Preprocessing.__call__, in numpy."""
    lines = ["x = np.asarray(x)"]
    picture = len(row_shape) == 3
    if resizes(how, row_shape):
        height, width = how.size or (0, 0)
        kind = "NEAREST" if row_shape[0] == 1 else "BILINEAR"
        lines.append(f"x = np.stack([np.stack([np.asarray(Image.fromarray(plane).resize(({width}, {height}), Image.Resampling.{kind})) "
                     "for plane in row]) for row in x])")
    channels = row_shape[0] if picture else 0
    if picture and how.channels and how.channels != channels:
        lines += channel_steps(channels, how.channels, byte)
    lines += scale_steps(how, byte, picture)
    if picture and how.layout == "nhwc":
        lines.append("x = x.transpose(0, 2, 3, 1)")
    if picture and how.layout == "nhw":
        lines.append("x = x[:, 0]")
    if how.flatten:
        lines.append("x = x.reshape(len(x), -1)")
    return lines


def channel_steps(have: int, wanted: int, byte: bool) -> list[str]:
    if have == 3 and wanted == 1:
        luma = 'x = np.einsum("nchw,c->nhw", x.astype(np.float32), np.array([0.299, 0.587, 0.114], np.float32))[:, None]'
        return [luma, "x = np.rint(x).astype(np.uint8)"] if byte else [luma]
    if have >= wanted:
        return [f"x = x[:, :{wanted}]"]
    return [f"x = np.concatenate([x, np.repeat(x[:, -1:], {wanted - have}, axis=1)], axis=1)"]


def scale_steps(how: Preprocessing, byte: bool, picture: bool) -> list[str]:
    if how.scale == "standard":
        across = "(1, -1, 1, 1)" if picture else "(1, -1)"
        return [f"x = x.astype(np.float32){' / 255' if byte else ''}",
                f"x = (x - np.reshape({list(how.mean) or [0.0]!r}, {across})) / np.reshape({list(how.std) or [1.0]!r}, {across})"]
    if how.scale == "-1-1":
        return ["x = x.astype(np.float32) / 127.5 - 1" if byte else "x = 2 * x.astype(np.float32) - 1"]
    return ["x = x.astype(np.float32) / 255" if byte and how.scale == "0-1" else "x = x.astype(np.float32)"]


def resizes(how: Preprocessing, row_shape: tuple[int, ...]) -> bool:
    return len(row_shape) == 3 and how.size is not None and tuple(row_shape[1:]) != tuple(how.size)


def shipped_width(shipped: Shipped) -> int | None:
    last = shipped.session.get_outputs()[0].shape[-1:]
    return last[0] if last and isinstance(last[0], int) else None
