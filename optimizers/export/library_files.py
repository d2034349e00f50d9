"""What lies beside model.so: the C it was made of, how it is made, a program that asks it, and rows to test it with."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from optimizers.export.library import NAME, arguments

if TYPE_CHECKING:
    from optimizers.measure.shipped import Shipped

HEADER = """#ifndef MODEL_H
#define MODEL_H

/* A row is {features} floats, an answer {outputs}. Nothing is allocated and nothing is kept, so threads may call at the same time. */
#define MODEL_FEATURES {features}
#define MODEL_OUTPUTS {outputs}

void model_predict(const float *x, float *out);
void model_predict_rows(const float *x, int rows, float *out);

#endif
"""
MAKEFILE = """# model.so was made for {target}; make CC=clang, or another -march, works as well.
CC = gcc

model.so: model.c
\t$(CC) {arguments}

test: model.so
\tpython3 predict.py

.PHONY: test
"""
PREDICT = '''"""Ask model.so: needs numpy alone. `python3 predict.py` compares it with the answers that were measured."""

import ctypes
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
FEATURES, OUTPUTS = {features}, {outputs}
library = ctypes.CDLL(str(HERE / "model.so"))
library.model_predict_rows.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
library.model_predict_rows.restype = None


def predict(x):
    """(n, OUTPUTS) float32 for prepared rows (n, FEATURES); README.md says how rows are prepared."""
    x = np.ascontiguousarray(x, np.float32)
    if x.ndim != 2 or x.shape[1] != FEATURES:
        raise ValueError(f"rows have {{FEATURES}} numbers, not {{x.shape[1:]}}")
    out = np.empty((len(x), OUTPUTS), np.float32)
    library.model_predict_rows(address(x), len(x), address(out))
    return out


def address(array):
    """The short way takes a third of the time of `array.ctypes`, and works where an array may be written to."""
    return (ctypes.c_byte * 0).from_buffer(array) if array.flags.writeable else array.ctypes.data


if __name__ == "__main__":
    rows = np.load(HERE / "selftest.npz")
    apart = np.abs(predict(rows["x"]) - rows["expected"]).max()
    print(f"{{len(rows['x'])}} rows: at most {{apart:.1e}} from what was measured")
    raise SystemExit(bool(apart > 1e-4))
'''
ROWS = 100


def files(shipped: Shipped, rows: np.ndarray) -> dict[str, bytes]:
    """Name -> content. rows: raw ones, of which the first 100 go along with their answers."""
    library = shipped.network.library
    assert library is not None
    sizes = {"features": library.features, "outputs": library.outputs}
    x = np.ascontiguousarray(shipped.network.feed(rows[:ROWS]), np.float32)
    held = io.BytesIO()
    np.savez(held, x=x, expected=shipped.on_fed(x))
    told = " ".join(arguments(library.target)).replace(f"{NAME}.c", "$<").replace(f"{NAME}.so", "$@")
    return {"model.c": library.source.encode(), "model.h": HEADER.format(**sizes).encode(),
            "Makefile": MAKEFILE.format(target=library.target, arguments=told).encode(), "predict.py": PREDICT.format(**sizes).encode(),
            "selftest.npz": held.getvalue()}
