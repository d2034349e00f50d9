"""Cards stay short enough to be told on one line, and inspection leaves nothing behind."""

import json
from pathlib import Path

import numpy as np
import pytest

from optimizers.cards import DatasetCard, Layer, ModelCard, Problem
from optimizers.errors import OptimizerError
from optimizers.inspect import LONGEST, bounded, inspect
from optimizers.task import Task
from tests.optimizers.hostile.forge import folders, look, onnx_file, zipped


def test_a_card_too_long_loses_layers_first() -> None:
    layers = tuple(Layer(name="n" * 400 + str(i), operator="Conv") for i in range(2000))
    card = bounded(ModelCard(kind="onnx", family="graph", title="t", layers=layers), "model.onnx")
    assert len(card.layers) == 500
    assert len(card.model_dump_json()) <= LONGEST


def test_names_too_long_for_any_card_are_refused() -> None:
    with pytest.raises(OptimizerError, match="Shorten them"):
        bounded(DatasetCard(kind="images", title="t", classes=tuple("c" * 200 + str(i) for i in range(9000))), "data.zip")


def test_of_many_problems_the_gravest_are_kept() -> None:
    notes = tuple(Problem(severity="info" if i else "warn", wrong=str(i)) for i in range(300, -1, -1))
    card = bounded(DatasetCard(kind="table", title="t", problems=notes), "data.csv")
    assert card.problems[0].severity == "warn"
    assert card.problems[-1].wrong == "201 more notes are not listed."


def test_inspection_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "task.json").write_text(json.dumps({}))
    (tmp_path / "in").mkdir()
    zipped(tmp_path / "in/data.zip", folders())
    card = inspect(Task(kind="inspect", role="dataset", dataset="in/data.zip"), tmp_path)
    assert card.rows == 16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "task.json"]
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["data.zip"]


def test_the_same_file_gives_the_same_card(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).random((60, 4)), y=np.arange(60) % 3)
    cards = [look(tmp_path / "data.npz", "dataset").model_copy(update={"inspected_seconds": 0.0}) for _ in range(2)]
    assert cards[0] == cards[1]
    models = [look(onnx_file(tmp_path / "model.onnx"), "model").model_copy(update={"inspected_seconds": 0.0}) for _ in range(2)]
    assert models[0] == models[1]


def test_the_byte_stage_imports_no_machine_learning() -> None:
    import subprocess
    import sys

    heavy = "torch numpy onnx onnxruntime pandas sklearn PIL google.protobuf"
    code = "import sys, optimizers.inspect, optimizers.models.audit, optimizers.data.formats; " \
           f"bad = [name for name in '{heavy}'.split() if name in sys.modules]; sys.exit(' '.join(bad) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
