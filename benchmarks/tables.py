"""Tables in a minute on 2 cores: what the default plan finds for each, without a model.

Goal: at least the better of AutoGluon medium_quality and FLAML in the same time on the same cores, within the interval of the test rows or
above (they reached 87.5 % on Adult's test file and 97.8 % on digits; untuned AdaBoost 99.3 % there). Each figure is of the file that ships,
in ONNX Runtime, on test rows that steered nothing.

    python -m benchmarks.tables [--minutes 1] [--only adult]
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sklearn.datasets import load_digits

from demo.house import ROOT

TABULAR = ROOT.parent / "shared" / "data" / "tabular"


def digits(folder: Path) -> tuple[Path, dict[str, str]]:
    x, y = load_digits(return_X_y=True)
    path = folder / "digits.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow([*(f"pixel{number}" for number in range(64)), "digit"])
        rows.writerows([*map(int, row), label] for row, label in zip(x, y))
    return path, {"target": "digit"}


def adult(folder: Path) -> tuple[Path, dict[str, str]]:
    """Train file and test file in one zip: the splits are declared."""
    path = folder / "adult.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("train", "test"):
            text = (TABULAR / "adult" / f"adult_{name}.csv").read_text().replace('K."', 'K"')
            archive.writestr(f"{name}.csv", text)
    return path, {"target": "class"}


def wine(folder: Path) -> tuple[Path, dict[str, str]]:
    return TABULAR / "wine-quality" / "winequality-white.csv", {}           # without a header; the last column is the quality


def housing(folder: Path) -> tuple[Path, dict[str, str]]:
    return TABULAR / "california-housing" / "housing.csv", {"target": "median_house_value"}


SETS = {"digits": digits, "adult": adult, "wine": wine, "housing": housing}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--only", choices=SETS)
    given = parser.parse_args()
    for name in [given.only] if given.only else SETS:
        if name != "digits" and not TABULAR.is_dir():
            print(f"skipped: no {name} at {TABULAR}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            path, options = SETS[name](Path(folder))
            words = [sys.executable, "-m", "optimizers", "fit", "--data", str(path), "--minutes", str(given.minutes), "--threads", "2",
                     "--device", "laptop-x86", "--out", f"{folder}/out", "--json", *(part for option, value in options.items()
                                                                                    for part in (f"--{option}", value))]
            done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
            if done.returncode:
                print(f"{name}: failed: {(done.stderr or done.stdout).strip().splitlines()[-1:]}")
                continue
            told(name, json.loads((Path(folder) / "out" / "report.json").read_text()))
    return 0


def told(name: str, report: dict) -> None:
    rows = report["candidates"]
    metric = next(key for key in ("top1", "r2") if key in rows[0]["measurements"])
    best = max(rows, key=lambda row: row["validation"])
    chosen = next((row for row in rows if row["key"] == report["done"]["recommended"]), best)
    print(f"{name}: {len(rows)} candidates in {report['done']['summary']['seconds']:.0f} s")
    for word, row in (("best on validation", best), ("recommended", chosen)):
        found, size = row["measurements"][metric], row["measurements"]["size_kib"]["value"]
        print(f"  {word}: {row['title']}, {metric} {100 * found['value']:.2f} [{100 * found['low']:.2f}, {100 * found['high']:.2f}] on "
              f"{found['n']:,} test rows, {size:,.0f} KiB")


if __name__ == "__main__":
    sys.exit(main())
