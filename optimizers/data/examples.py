"""Small real datasets that come with scikit-learn, written as files people could have uploaded. Nothing is downloaded.

    python -m optimizers.data.examples digits digits.npz

digits: 1,797 pictures of 8 x 8 in 17 greys, from UCI Optical Recognition of Handwritten Digits.
breast-cancer: 569 rows of 30 measurements, benign or malignant, from UCI Breast Cancer Wisconsin (Diagnostic).
wine: 178 rows of 13 measurements, three cultivars, from UCI Wine.
"""

import csv
import sys
from pathlib import Path


def digits(path: Path) -> None:
    """An .npz with x (1797, 8, 8) uint8, the 17 greys spread over 0 to 255, and y (1797,) int64."""
    import numpy as np
    from sklearn.datasets import load_digits

    data = load_digits()
    np.savez_compressed(path, x=np.round(data.images * (255 / 16)).astype(np.uint8), y=data.target.astype(np.int64))


def table(load, path: Path) -> None:
    """A CSV with a header; the class, as a word, is the last column."""
    data = load()
    with open(path, "w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([*(name.replace(" ", "_") for name in data.feature_names), "class"])
        for features, label in zip(data.data, data.target, strict=True):
            rows.writerow([*(f"{value:.6g}" for value in features), data.target_names[label]])


def breast_cancer(path: Path) -> None:
    from sklearn.datasets import load_breast_cancer

    table(load_breast_cancer, path)


def wine(path: Path) -> None:
    from sklearn.datasets import load_wine

    table(load_wine, path)


EXAMPLES = {"digits": digits, "breast-cancer": breast_cancer, "wine": wine}


def main(name: str = "", path: str = "") -> int:
    if name not in EXAMPLES or not path:
        print(f"usage: python -m optimizers.data.examples {{{','.join(EXAMPLES)}}} FILE", file=sys.stderr)
        return 2
    EXAMPLES[name](Path(path))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:3]))
