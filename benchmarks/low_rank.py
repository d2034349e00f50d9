"""A stranger's network split into thinner layers: top-1 on Fashion-MNIST against multiply-accumulates, by outputs and by weights.

Goal, for the ViT and the wide MLP: at least 2 times fewer multiply-accumulates at 0.5 points. Needs the shared Fashion-MNIST files and a
trained model (benchmarks/strangers.py). Each file is measured as it ships, in ONNX Runtime, on all 10,000 test rows; nothing is trained
unless epochs are given, and then the fine-tuned file stands on a line of its own.

    python -m benchmarks.low_rank vit.onnx [--shares 0.52 0.7] [--rank budget] [--convolutions cp] [--rows 1000] [--epochs 0] [--seed 0]
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx

from benchmarks.binarize import fashion
from benchmarks.strangers import ready
from optimizers.compress.factorize.low_rank import LowRank
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.measure.memory import needs
from optimizers.measure.quality import change
from optimizers.measure.yardstick import shipped
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.training.fine_tune import FineTuning

SCALED = Preprocessing(scale="0-1")         # what strangers.py feeds its networks
TRAINED = 20_000                            # train rows of a fine-tuning: a short one


def line(name: str, network: Network, base: tuple[int, np.ndarray], data: Dataset, seconds: float, seed: int) -> None:
    """Top-1, the paired change in points with its 95 % interval, and how many times fewer multiply-accumulates."""
    answers = shipped(network).predict(data.test.x).argmax(1)
    moved = change("top1", data.test.y, base[1], answers, seed)
    macs = needs(network).total_macs or 0
    print(f"{name:24} top-1 {100 * (answers == data.test.y).mean():.2f} %, {moved.value:+.2f} [{moved.low:+.2f}, {moved.high:+.2f}] "
          f"points, MACs {macs:,} ({base[0] / macs:.2f}x fewer), {seconds:.0f} CPU seconds", flush=True)


def main(wishes: argparse.Namespace) -> None:
    data, dense = fashion(TRAINED), Network(onnx.load(ready(wishes.model)), SCALED)
    base = needs(dense).total_macs or 0, shipped(dense).predict(data.test.x).argmax(1)
    line("whole", dense, base, data, 0, wishes.seed)
    with tempfile.TemporaryDirectory() as folder:
        for share in wishes.shares:
            for by in ("outputs", "weights"):
                start, ctx = time.process_time(), Context(Path(folder), seed=wishes.seed, metric="top1")
                technique = LowRank(share=share, by=by, rank=wishes.rank, rows=wishes.rows, convolutions=wishes.convolutions)
                made = technique.apply(dense, data, ctx)
                line(f"{technique.label()} by {by}", made, base, data, time.process_time() - start, wishes.seed)
                if wishes.epochs and by == "outputs":
                    made = FineTuning(epochs=wishes.epochs, rate=wishes.rate).apply(made, data, ctx)
                    line("  and fine-tuned", made, base, data, time.process_time() - start, wishes.seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=Path("vit.onnx"))
    parser.add_argument("--shares", type=float, nargs="+", default=[0.52, 0.7])
    parser.add_argument("--rank", choices=("budget", "sensitivity"), default="budget")
    parser.add_argument("--convolutions", choices=("cp", "tucker", "spatial", "whole"), default="cp")
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--rate", type=float, default=0.0005)
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args())
