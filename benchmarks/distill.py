"""Distillation into a quarter of the MACs: a stranger's ResNet-8 on Fashion-MNIST, pruned by 75 %, then brought back in several ways.

Every way gets the same student, rows, epochs, batch, rate and seed. The teacher is the uploaded network, which has seen all 60,000 train
rows; with fewer --rows it knows more than the student's own rows say, as it does when a user brings less data than the model was made with.
Goal: better than training on labels and than plain distillation (temperature 4, 70 % of the loss) by more than the paired interval.

    python -m benchmarks.distill [--model resnet8.onnx] [--rows 8000] [--epochs 6] [--seed 0]
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from benchmarks.fashion import pack
from benchmarks.strangers import FASHION, ready
from optimizers.compress.prune.channels import ChannelPruning
from optimizers.context import Context
from optimizers.data.dataset import Dataset, Split
from optimizers.data.load import load_dataset
from optimizers.measure.quality import change
from optimizers.measure.yardstick import shipped
from optimizers.models.network import Network
from optimizers.technique import Technique
from optimizers.training.distill import Distillation
from optimizers.training.fine_tune import FineTuning

VALIDATION = 2000       # train rows that choose the best epoch; no student learns from them


def ways(epochs: int) -> dict[str, Technique]:
    """What is compared, all at the rate and batch that 'distill' has by default. Ours is the last: its defaults, and rows mirrored for
    teacher and student alike; labels get the mirrored rows as well, so that it shows what each of the two is worth."""
    ours = Distillation(epochs=epochs, flip=True)
    alike = {"epochs": epochs, "rate": ours.rate, "batch": ours.batch}
    return {"labels": FineTuning(**alike), "plain distillation": Distillation(**alike, alpha=0.7, temperature=4),
            "labels, mirrored": FineTuning(**alike, flip=True), "distill": ours}


def some(data: Dataset, rows: int, seed: int) -> Dataset:
    """The dataset with that many of its train rows; others of them choose the best epoch, so that all declared test rows can be test."""
    order = np.random.default_rng(seed).permutation(len(data.train))
    train, validation = (Split(data.train.x[chosen], data.train.y[chosen])
                         for chosen in map(np.sort, (order[:rows], order[rows:rows + VALIDATION])))
    test = Split(np.concatenate([data.validation.x, data.test.x]), np.concatenate([data.validation.y, data.test.y]))
    return Dataset(train, validation, test, data.kind, data.task, data.classes)


def main(model: Path, rows: int, epochs: int, seed: int) -> int:
    if not FASHION.is_dir():
        print(f"skipped: no Fashion-MNIST at {FASHION}")
        return 0
    ready(model)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data = some(load_dataset(pack(folder), None, {}, folder), rows, seed)
        ctx = Context(folder, seed=seed, threads=1)
        ctx.original = Network(onnx.load(model))
        student = ChannelPruning(share=0.75).apply(ctx.original, data, ctx)
        print(f"{rows:,} train rows, {epochs} epochs, seed {seed}; {len(data.test):,} test rows. {' '.join(student.notes)}")
        answers = {"the teacher": decided(ctx.original, data)}
        for name, technique in ways(epochs).items():
            made = technique.apply(student, data, ctx)
            answers[name] = decided(made, data)
            print(f"{name:20} {100 * float((answers[name] == data.test.y).mean()):6.2f}  {made.notes[-1]}", flush=True)
        return tell(data.test.y, answers)


def decided(network: Network, data: Dataset) -> np.ndarray:
    return shipped(network).predict(data.test.x).argmax(1)


def tell(y: np.ndarray, answers: dict[str, np.ndarray]) -> int:
    """The last way against each other one; 0 when it is better than all but the teacher by more than the interval."""
    reached = True
    print(f"{'the teacher':20} {100 * float((answers['the teacher'] == y).mean()):6.2f}")
    for name in list(answers)[:-1]:
        apart = change("top1", y, answers[name], answers["distill"])
        reached &= apart.low > 0 or name == "the teacher"
        print(f"distill against {name}: {apart.value:+.2f} [{apart.low:+.2f}, {apart.high:+.2f}] points, n {apart.n:,}")
    print(f"goal (better than labels and plain distillation by more than the interval): {'reached' if reached else 'not reached'}")
    return 0 if reached else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resnet8.onnx"))
    parser.add_argument("--rows", type=int, default=8_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    wishes = parser.parse_args()
    sys.exit(main(wishes.model, wishes.rows, wishes.epochs, wishes.seed))
