"""Compression of strangers' networks on Fashion-MNIST, beside the dense fp32 original in the same runtime and the same run.

Goals of the project (batch 1 / 64 on one thread; accuracy on 5,000 test rows that steer nothing):

    ResNet-8 int8        no measurable loss           ResNet-8, half of the MACs      at least 90.6 %, 1.5 times
    DS-CNN int8          at most 0.1 points           ResNet-8, a quarter             at least 89.5 %, 2 times
    4-bit weights        half of what rounding to     chain                           12 times smaller, download 20 times,
                         nearest lost                                                 2.5 times, at most 0.5 points

Speed of int8 depends on the processor: without VNNI the integer kernels are little faster than float.

    python -m benchmarks.compress MODEL.onnx [--only half] [--epochs 6] [--seed 0]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import onnx

from benchmarks.fashion import pack
from benchmarks.strangers import FASHION, ready
from optimizers.chains import DISTILL, INT8, Step, prune
from optimizers.context import Context
from optimizers.data.load import load_dataset
from optimizers.device import catalogue
from optimizers.goal import Goal
from optimizers.inspect import inspect
from optimizers.measure.host import describe
from optimizers.measure.yardstick import Yardstick, shipped
from optimizers.models.network import Network
from optimizers.models.preprocessing import Preprocessing
from optimizers.recipe import build
from optimizers.task import Task


def recipes(epochs: int) -> dict[str, tuple[tuple[Step, ...], ...]]:
    """Recipes by the goal they are for; what they share is worked out once."""
    taught: Step = (DISTILL[0], {"epochs": epochs})
    four: Step = ("quantize-aware", {"bits": 4, "epochs": max(2, epochs // 2)})
    return {
        "int8": ((INT8,), (("quantize-static", {"calibration": "mse"}),)),
        "four": tuple((("quantize-static", {"bits": 4, "rounding": rounding}),) for rounding in ("nearest", "adaptive")) + ((four,),),
        "factored": ((("low-rank", {"share": 0.5}),), (("low-rank", {"share": 0.5}), ("fine-tune", {"epochs": max(1, epochs // 3)}))),
        "half": ((prune(0.5), taught), (prune(0.5), taught, INT8), (prune(0.5), taught, four, ("entropy-code", {}))),
        "quarter": ((prune(0.75), taught), (prune(0.75), taught, INT8), (prune(0.75), taught, four, ("entropy-code", {}))),
    }


def main(model: Path, only: str | None, epochs: int, seed: int) -> None:
    from optimizers.catalogue import TECHNIQUES

    if not FASHION.is_dir():
        print(f"skipped: no Fashion-MNIST at {FASHION}")
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        packed = pack(folder)
        card = inspect(Task(kind="inspect", role="dataset", dataset=packed.name), folder)
        (folder / "data").mkdir()
        data = load_dataset(packed, card, {}, folder / "data")
        device = catalogue()["this-server"]
        original = Network(onnx.load(ready(model)), Preprocessing(scale="0-1"))
        ruler = Yardstick(data, device, Goal(), seed)
        base = ruler.measure(shipped(original)).measurements
        print(f"{describe()['processor']}; {model.stem}: top-1 {100 * base['top1'].value:.2f}, {base['size_kib'].value:.1f} KiB, "
              f"download {base['download_kib'].value:.1f} KiB; seed {seed}")
        print(f"{'recipe':58} {'top-1':>6} {'points [95 %]':>21} {'smaller':>8} {'sent':>7} {'MACs':>5} {'b1':>6} {'b64':>6} {'s':>6}")
        made = {"": original}
        for goal, rows in recipes(epochs).items():
            for steps in rows if only in (None, goal) else ():
                start, prefix, network = time.perf_counter(), "", original
                for name, params in steps:
                    prefix += f"{name}{params}"
                    if prefix not in made:
                        context = Context(folder, seed=seed, device=device, metric="top1")
                        context.original = original
                        made[prefix] = build(TECHNIQUES[name], params).apply(network, data, context)
                    network = made[prefix]
                took = time.perf_counter() - start
                found = ruler.measure(shipped(network))
                title = " + ".join(build(TECHNIQUES[name], params).label() for name, params in steps)
                print(line(title, found, base, took), flush=True)


def line(title: str, found, base, took: float) -> str:
    now, change = found.measurements, found.change
    times = {name: base[name].value / now[name].value for name in ("size_kib", "download_kib", "macs")}
    points = f"{change.value:+.2f} [{change.low:+.2f}, {change.high:+.2f}]"
    return (f"{title[:58]:58} {100 * now['top1'].value:6.2f} {points:>21} {times['size_kib']:7.2f}x {times['download_kib']:6.2f}x "
            f"{times['macs']:4.1f}x {now['speedup'].value:5.2f}x {now['speedup_b64'].value:5.2f}x {took:6.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", default=Path("resnet8.onnx"))
    parser.add_argument("--only")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    wishes = parser.parse_args()
    main(wishes.model, wishes.only, wishes.epochs, wishes.seed)
