"""Trees on one thread: rows a second one by one and by the thousand, compiled C beside the native library, ONNX Runtime and tl2cgen.

Goal, for Adult with 100 trees: at least 50,000 rows/s at batch 1 and 1,000,000 at batch 1000, with the answers of the native library.
Needs the Adult files (adult_train.csv, adult_test.csv) in a folder; tl2cgen and treelite are left out where they are not installed. All
take turns in one run and are called through Python, with arrays that lie ready; categories are one-hot.

    python -m benchmarks.trees [--data FOLDER] [--trees 100] [--repeats 15]
"""

import argparse
import csv
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.strangers import SHARED
from optimizers.ensembles.compile_trees_work import library_of
from optimizers.export.library import Session
from optimizers.measure import host
from optimizers.measure.shipped import open_session
from optimizers.models import trees_lightgbm, trees_sklearn, trees_xgboost
from optimizers.models.trees import Trees
from optimizers.models.trees_onnx import graph_of

DATA = SHARED / "data" / "tabular" / "adult"
GOAL = {1: 50_000, 1000: 1_000_000}
Call = Callable[[], object]
Predict = Callable[[np.ndarray], Call]      # rows -> a call that answers them


def adult(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(train rows, train labels, test rows): numbers as they are, a column for each category seen in train."""
    train, test = ([[cell.strip() for cell in row] for row in csv.reader((folder / name).open()) if len(row) > 10][1:]
                   for name in ("adult_train.csv", "adult_test.csv"))
    numeric = [place for place in range(len(train[0]) - 1) if all(row[place].lstrip("-").isdigit() for row in train)]
    names = [(place, name) for place in range(len(train[0]) - 1) if place not in numeric for name in sorted({row[place] for row in train})]
    rows = lambda table: np.array([[*(float(row[place]) for place in numeric), *(row[place] == name for place, name in names)]
                                   for row in table], np.float32)
    return rows(train), np.array([row[-1].startswith(">") for row in train], np.int64), rows(test)


def ways(trees: Trees) -> dict[str, Predict]:
    """Ours and ONNX Runtime, over the same graph."""
    proto = graph_of(trees)
    code, graph = Session(library_of(proto)), open_session(proto.SerializeToString())
    return {"compiled": lambda x: lambda: code.run(["output"], {"input": x}),
            "onnxruntime": lambda x: lambda: graph.run(None, {"input": x})}


def lightgbm(x: np.ndarray, y: np.ndarray, count: int) -> tuple[Trees, dict[str, Predict], object]:
    import lightgbm

    booster = lightgbm.train({"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, y), count)
    text = booster.model_to_string()
    native = lambda rows: lambda: booster.predict(rows, num_threads=1)
    return trees_lightgbm.read(text), {"native": native}, ("load_lightgbm_model", text, "txt")


def xgboost(x: np.ndarray, y: np.ndarray, count: int) -> tuple[Trees, dict[str, Predict], object]:
    import json

    import xgboost

    model = xgboost.XGBClassifier(n_estimators=count, max_depth=6, n_jobs=1).fit(x, y)
    text = bytes(model.get_booster().save_raw("json")).decode()
    booster = model.get_booster()
    native = lambda rows: lambda: booster.inplace_predict(rows)
    return trees_xgboost.read(json.loads(text)), {"native": native}, ("load_xgboost_model", text, "json")


def forest(x: np.ndarray, y: np.ndarray, count: int) -> tuple[Trees, dict[str, Predict], object]:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(count, max_depth=6, random_state=0, n_jobs=1).fit(x, y)
    return trees_sklearn.averaged(model.estimators_, 2, x.shape[1]), {"native": lambda rows: lambda: model.predict_proba(rows)}, model


def tl2cgen_way(source: object, folder: Path) -> dict[str, Predict]:
    """Trees as branches of C, compiled with gcc; nothing where it is not installed."""
    try:
        import tl2cgen
        import treelite
    except ImportError:
        return {}
    if isinstance(source, tuple):
        loader, text, suffix = source
        path = folder / f"model.{suffix}"
        path.write_text(text)
        model = getattr(treelite.frontend, loader)(str(path))
    else:
        model = treelite.sklearn.import_model(source)
    tl2cgen.export_lib(model, toolchain="gcc", libpath=str(folder / "branches.so"), params={}, verbose=False)
    predictor = tl2cgen.Predictor(str(folder / "branches.so"), nthread=1)

    def predict(rows: np.ndarray) -> Call:
        held = tl2cgen.DMatrix(rows, dtype="float32")
        return lambda: predictor.predict(held)
    return {"tl2cgen": predict}


def rates(calls: dict[str, Call], batch: int, repeats: int) -> dict[str, float]:
    """Rows a second of each, median over interleaved repeats of its own processor time."""
    counts: dict[str, int] = {}
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for name, call in calls.items():
        call()
        counts[name] = max(1, round(0.01 / max(timed(call, 1), 1e-6)))
    for turn in range(repeats):
        for name in list(calls)[::1 if turn % 2 else -1]:
            taken[name].append(timed(calls[name], counts[name]))
    return {name: batch / float(np.median(seconds)) for name, seconds in taken.items()}


def timed(call: Call, times: int) -> float:
    start = time.thread_time()
    for _ in range(times):
        call()
    return (time.thread_time() - start) / times


def main(wishes: argparse.Namespace) -> bool:
    """True where a goal was missed."""
    if not (wishes.data / "adult_train.csv").is_file():
        print(f"skipped: {wishes.data} has no adult_train.csv")
        return False
    x, y, test = adult(wishes.data)
    print(f"Adult, {x.shape[1]} features, {wishes.trees} trees, one thread, {host.name()}")
    missed = False
    for make in (lightgbm, xgboost, forest):
        trees, native, source = make(x, y, wishes.trees)
        with tempfile.TemporaryDirectory() as folder:
            contestants = native | ways(trees) | tl2cgen_way(source, Path(folder))
            answers = np.asarray(contestants["compiled"](test)()[0])[:, 0]
            apart = np.abs(answers - trees.predict(test)[:, 0]).max()
            missed |= show(make.__name__, trees, contestants, test, apart, wishes.repeats)
    return missed


def show(name: str, trees: Trees, contestants: dict[str, Predict], test: np.ndarray, apart: float, repeats: int) -> bool:
    found = {batch: rates({who: predict(test[:batch].copy()) for who, predict in contestants.items()}, batch, repeats) for batch in GOAL}
    print(f"{name}: {len(trees.roots)} trees, {trees.nodes:,} nodes; outputs at most {apart:.1e} from the reference on {len(test):,} rows")
    for who in contestants:
        print(f"    {who:12}" + "".join(f"  batch {batch}: {rate[who]:>11,.0f} rows/s ({rate[who] / rate['native']:6.2f}x native)"
                                        for batch, rate in found.items()), flush=True)
    return apart > 1e-5 or any(found[batch]["compiled"] < least for batch, least in GOAL.items())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=15)
    sys.exit(main(parser.parse_args()))
