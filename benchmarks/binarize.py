"""A stranger's ResNet-8 with hidden layers of one bit: top-1 on Fashion-MNIST, and bytes beside the dense fp32 file.

Goal: at least 85 %, a file at least 20 times smaller. Needs the shared Fashion-MNIST files and a trained model (benchmarks/strangers.py).
Both files are measured as they ship, in ONNX Runtime, on all 10,000 test rows.

    python -m benchmarks.binarize resnet8.onnx [--rows 55000] [--epochs 20] [--stages two] [--seed 0] [--out packed.onnx]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

from benchmarks.strangers import idx, ready
from optimizers.compress.binarize.binarize import Binarization
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.measure.memory import needs, weight_bytes
from optimizers.measure.yardstick import shipped
from optimizers.models.network import Network

VALIDATION = 5000       # train rows kept apart


def fashion(rows: int) -> Dataset:
    """The first `rows` train rows; the last 5,000 validate."""
    x, y = idx("train-images-idx3-ubyte.gz")[:, None], idx("train-labels-idx1-ubyte.gz").astype(np.int64)
    test = Split(idx("t10k-images-idx3-ubyte.gz")[:, None], idx("t10k-labels-idx1-ubyte.gz").astype(np.int64))
    return Dataset(Split(x[:rows], y[:rows]), Split(x[-VALIDATION:], y[-VALIDATION:]), test, kind="images", task="classification",
                   classes=tuple("0123456789"))


def line(name: str, network: Network, data: Dataset) -> tuple[float, int]:
    file = shipped(network)
    right = float((file.predict(data.test.x).argmax(1) == data.test.y).mean())
    print(f"{name:10} top-1 {100 * right:.2f} %, file {file.bytes:,} bytes, tensors {weight_bytes(file.network.proto):,} bytes, "
          f"MACs {needs(file.network).macs}", flush=True)
    return right, file.bytes


def main(wishes: argparse.Namespace) -> None:
    data, dense = fashion(min(wishes.rows, 60_000 - VALIDATION)), Network(onnx.load(ready(wishes.model)))
    _, before = line("dense", dense, data)
    technique = Binarization(epochs=wishes.epochs, stages=wishes.stages, rate=wishes.rate)
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        made = technique.apply(dense, data, Context(Path(folder), seed=wishes.seed))
    _, after = line("1 bit", made, data)
    took = time.process_time() - start
    print(f"{before / after:.1f} times smaller; {len(data.train):,} rows, {wishes.epochs} epochs, {took:.0f} CPU seconds")
    print("\n".join(made.notes))
    if wishes.out:
        wishes.out.write_bytes(shipped(made).content)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=Path("resnet8.onnx"))
    parser.add_argument("--rows", type=int, default=55_000)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--stages", choices=("one", "two"), default="two")
    parser.add_argument("--rate", type=float, default=0.004)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
