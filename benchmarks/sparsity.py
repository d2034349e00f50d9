"""90 % zeros: adaptive ways against one-shot magnitude with the same fine-tuning, on a stranger's network and Fashion-MNIST.

Every way gets the same rows, epochs, optimizer, rate and seed. The best one-shot and the best adaptive way are chosen on validation;
the test rows, paired, decide. Goal: the adaptive one better by more than the interval.

    python -m benchmarks.sparsity [--model resnet8.onnx] [--rows 10000] [--epochs 4] [--sparsity 0.9] [--seed 0]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.strangers import FASHION, idx, ready
from optimizers.compress.prune.sparsify import Sparsifying
from optimizers.compress.prune.weights import WeightPruning
from optimizers.compress.prune.weights_layers import weights
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.measure.statistics import paired_difference, verdict
from optimizers.measure.yardstick import shipped
from optimizers.models.load import load_model
from optimizers.models.network import Network
from optimizers.technique import Technique
from optimizers.training.fine_tune import FineTuning

BATCH = 32          # small, as the steps are what mends a network, and rows cost time
ONCE = "one-shot"


def fashion(rows: int, seed: int) -> Dataset:
    """`rows` of the train file; of the test file, which the network has never seen, 2,000 for validation and 8,000 for the test."""
    x, y = idx("train-images-idx3-ubyte.gz")[:, None], idx("train-labels-idx1-ubyte.gz").astype(np.int64)
    tx, ty = idx("t10k-images-idx3-ubyte.gz")[:, None], idx("t10k-labels-idx1-ubyte.gz").astype(np.int64)
    train, unseen = (np.random.default_rng([seed, 9]).permutation(size) for size in (len(x), len(tx)))
    parts = [Split(x[train[:rows]], y[train[:rows]]), *(Split(tx[part], ty[part]) for part in (unseen[:2000], unseen[2000:]))]
    return Dataset(*parts, "images", "classification", tuple("0123456789"))


def ways(epochs: int, sparsity: float) -> dict[str, tuple[Technique, ...]]:
    tuned = FineTuning(epochs=epochs, batch=BATCH)
    found: dict[str, tuple[Technique, ...]] = {f"{ONCE}, {scope}": (WeightPruning(share=sparsity, scope=scope), tuned)
                                               for scope in ("network", "layer")}
    for method, spread in (("gradual", "network"), ("rigl", "network"), ("gradual", "erdos-renyi"), ("rigl", "erdos-renyi"),
                           ("reallocate", "network"), ("movement", "network")):
        found[f"{method}, {spread}"] = (Sparsifying(method=method, spread=spread, sparsity=sparsity, epochs=epochs, batch=BATCH),)
    return found


def main(model: Path, rows: int, epochs: int, sparsity: float, seed: int) -> int:
    if not FASHION.is_dir():
        print(f"skipped: no Fashion-MNIST at {FASHION}")
        return 0
    ready(model)
    data = fashion(rows, seed)
    network = load_model(model)         # its preprocessing is the default: pictures in 0..1
    right = {"dense": score(network, data)}
    print(f"{model.name}, {rows:,} train rows, {epochs} epochs in batches of {BATCH}, {sparsity:.0%} zeros, seed {seed}")
    print(f"{'way':26} {'zeros, %':>8} {'validation':>10} {'test':>7}  against one-shot, points [95 %]\n{'dense':26} {0:8.1f} "
          f"{100 * right['dense'][0].mean():10.2f} {100 * right['dense'][1].mean():7.2f}", flush=True)
    for name, steps in ways(epochs, sparsity).items():
        begun, made = time.perf_counter(), network
        with tempfile.TemporaryDirectory() as folder:
            for step in steps:
                made = step.apply(made, data, Context(Path(folder), seed=seed))
        right[name] = score(made, data)
        against = "" if name.startswith(ONCE) else "{:+.2f} [{:+.2f}, {:+.2f}]".format(*gain(right, name))
        print(f"{name:26} {100 * zeros(made):8.1f} {100 * right[name][0].mean():10.2f} {100 * right[name][1].mean():7.2f}  {against:24}"
              f"{time.perf_counter() - begun:6.0f} s", flush=True)
    best = by_validation(right, False)
    change, low, high = gain(right, best)
    print(f"goal ({best} against {by_validation(right, True)}): {change:+.2f} points [{low:+.2f}, {high:+.2f}], {verdict(low, high)}")
    return 0 if low > 0 else 1


def score(network: Network, data: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Which validation and which test rows the file that ships has right."""
    file = shipped(network)
    return tuple(file.predict(part.x).argmax(1) == part.y for part in (data.validation, data.test))     # type: ignore[return-value]


def zeros(network: Network) -> float:
    found = [weight.array for weight in weights(network.proto)]
    return sum(int((array == 0).sum()) for array in found) / sum(array.size for array in found)


def by_validation(right: dict[str, tuple[np.ndarray, np.ndarray]], once: bool) -> str:
    """The best one-shot way, or the best of the others."""
    return max((name for name in right if name != "dense" and name.startswith(ONCE) is once), key=lambda name: right[name][0].mean())


def gain(right: dict[str, tuple[np.ndarray, np.ndarray]], name: str) -> tuple[float, float, float]:
    """Points on the test rows above the best one-shot way, and the paired interval."""
    change, low, high = paired_difference(right[by_validation(right, True)][1], right[name][1])
    return 100 * change, 100 * low, 100 * high


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resnet8.onnx"))
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--sparsity", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=0)
    sys.exit(main(**vars(parser.parse_args())))
