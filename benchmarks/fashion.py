"""The main job on a stranger's model: ResNet-8 of MLPerf Tiny's shape on Fashion-MNIST, uploaded as ONNX, fitted for a laptop.

Goal: the recommended file at least 4 times smaller than fp32 with at most 0.5 points lost, and faster than fp32 ONNX Runtime at batch 1
on one thread, or labelled slower. Needs the shared Fashion-MNIST files; the model is trained first when it is not there
(benchmarks/strangers.py).

    python -m benchmarks.fashion [--model resnet8.onnx] [--minutes 15]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.strangers import FASHION, ready


def pack(folder: Path) -> Path:
    """The four idx files as the zip people upload."""
    path = folder / "fashion-mnist.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(FASHION.glob("*.gz")):
            archive.write(file, file.name)
    return path


def main(model: Path, minutes: float) -> int:
    if not FASHION.is_dir():
        print(f"skipped: no Fashion-MNIST at {FASHION}")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ready(model)
        out = folder / "out"
        subprocess.run([sys.executable, "-m", "optimizers", "fit", "--model", str(model), "--dataset", str(pack(folder)),
                        "--device", "laptop-x86", "--max-drop", "0.005", "--minutes", str(minutes), "--out", str(out)], check=True)
        return tell(json.loads((out / "report.json").read_text()))


def tell(report: dict) -> int:
    """Each candidate against the baseline of the same run; 0 when the recommended one meets the goal."""
    rows = report["candidates"]
    base = next(row for row in rows if row["baseline"])["measurements"]
    pick = next((row for row in rows if row["key"] == report["done"]["recommended"]), None)
    print(f"{'candidate':44} {'top-1':>6} {'points [95 %]':>22} {'smaller':>8} {'b1':>6} {'b64':>6}")
    for row in rows:
        found, change = row["measurements"], row["change"]
        points = f"{change['value']:+.2f} [{change['low']:+.2f}, {change['high']:+.2f}]" if change else "baseline"
        speed = [f"{found[name]['value']:.2f}x" if name in found else "1x" for name in ("speedup", "speedup_b64")]
        mark = " <- recommended" if row is pick else ""
        print(f"{row['title'][:44]:44} {100 * found['top1']['value']:6.2f} {points:>22} "
              f"{base['size_kib']['value'] / found['size_kib']['value']:7.2f}x {speed[0]:>6} {speed[1]:>6}{mark}")
    if pick is None or pick["change"] is None:
        print("goal: not reached, nothing but the baseline is recommended")
        return 1
    smaller = base["size_kib"]["value"] / pick["measurements"]["size_kib"]["value"]
    reached = smaller >= 4 and pick["change"]["value"] >= -0.5
    verdict = "reached" if reached else "not reached"
    print(f"goal (4x smaller, 0.5 points): {verdict}: {smaller:.2f}x, {pick['change']['value']:+.2f} points")
    return 0 if reached else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("resnet8.onnx"))
    parser.add_argument("--minutes", type=float, default=15)
    wishes = parser.parse_args()
    sys.exit(main(wishes.model, wishes.minutes))
