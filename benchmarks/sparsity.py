"""90 % zeros: adaptive ways against one-shot magnitude with the same fine-tuning, on a stranger's network and Fashion-MNIST.

Every way gets the same rows, epochs, optimizer, rate and seed. The best one-shot and the best adaptive way are chosen on validation;
the 10,000 test rows, paired, decide. Goal: the adaptive one better by more than the interval.

    python -m benchmarks.sparsity [--model resnet8.onnx] [--rows 10000] [--epochs 6] [--sparsity 0.9] [--seed 0]
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.strangers import FASHION, idx
from optimizers.compress.prune_weights import WeightPruning
from optimizers.compress.sparse_layers import weights
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.measure.statistics import paired_difference, verdict
from optimizers.measure.yardstick import shipped
from optimizers.models.load import load_model
from optimizers.models.network import Network
from optimizers.technique import Technique
from optimizers.training.fine_tune import FineTuning
from optimizers.training.sparsify import Sparsifying


def fashion(rows: int, seed: int) -> Dataset:
    """`rows` train rows and 5,000 validation rows of the train file, and the whole test file."""
    order = np.random.default_rng([seed, 9]).permutation(60_000)
    x, y = idx("train-images-idx3-ubyte.gz")[:, None], idx("train-labels-idx1-ubyte.gz").astype(np.int64)
    test = Split(idx("t10k-images-idx3-ubyte.gz")[:, None], idx("t10k-labels-idx1-ubyte.gz").astype(np.int64))
    train, validation = order[5000:5000 + rows], order[:5000]
    return Dataset(Split(x[train], y[train]), Split(x[validation], y[validation]), test, "images", "classification",
                   tuple(str(label) for label in range(10)))


def ways(epochs: int, sparsity: float) -> dict[str, tuple[Technique, ...]]:
    tuned = FineTuning(epochs=epochs)
    return {f"one-shot, {scope}": (WeightPruning(share=sparsity, scope=scope), tuned) for scope in ("network", "layer")} | {
        f"{method}, {spread}": (Sparsifying(method=method, spread=spread, sparsity=sparsity, epochs=epochs),)
        for method, spread in (("gradual", "network"), ("gradual", "erdos-renyi"), ("rigl", "network"), ("rigl", "erdos-renyi"),
                               ("reallocate", "network"), ("movement", "network"))}


def main(model: Path, rows: int, epochs: int, sparsity: float, seed: int) -> int:
    if not FASHION.is_dir():
        print(f"skipped: no Fashion-MNIST at {FASHION}")
        return 0
    if not model.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.strangers", str(model)], check=True)
    data = fashion(rows, seed)
    network = load_model(model)         # its preprocessing is the default: pictures in 0..1
    right = {"dense": score(network, data)}
    print(f"{model.name}, {rows:,} train rows, {epochs} epochs, {sparsity:.0%} zeros\n{'way':26} {'zero, %':>8} {'validation':>10} {'test':>7}")
    print(f"{'dense':26} {0:8.1f} {100 * right['dense'][0].mean():10.2f} {100 * right['dense'][1].mean():7.2f}", flush=True)
    for name, steps in ways(epochs, sparsity).items():
        begun, made = time.perf_counter(), network
        with tempfile.TemporaryDirectory() as folder:
            for step in steps:
                made = step.apply(made, data, Context(Path(folder), seed=seed))
        right[name] = score(made, data)
        print(f"{name:26} {100 * zeros(made):8.1f} {100 * right[name][0].mean():10.2f} {100 * right[name][1].mean():7.2f}"
              f"   {time.perf_counter() - begun:.0f} s", flush=True)
    return tell(right)


def score(network: Network, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Which validation and which test rows the file that ships has right."""
    file = shipped(network)
    return tuple(file.predict(part.x).argmax(1) == part.y for part in (data.validation, data.test))     # type: ignore[return-value]


def zeros(network: Network) -> float:
    found = [weight.array for weight in weights(network.proto)]
    return sum(int((array == 0).sum()) for array in found) / sum(array.size for array in found)


def tell(right: dict[str, tuple[np.ndarray, np.ndarray]]) -> int:
    """The paired difference of the two that validation chose; 0 where the goal is met."""
    once, best = (max((name for name in right if name != "dense" and name.startswith("one-shot") is wanted),
                      key=lambda name: right[name][0].mean()) for wanted in (True, False))
    change, low, high = (100 * value for value in paired_difference(right[once][1], right[best][1]))
    print(f"goal ({best} against {once}): {change:+.2f} points [{low:+.2f}, {high:+.2f}], {verdict(low, high)}")
    return 0 if low > 0 else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resnet8.onnx"))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    sys.exit(main(**vars(parser.parse_args())))
