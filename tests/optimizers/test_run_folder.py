"""The worker's child end to end: a folder with a task in, events and files out. Real processes, scikit-learn's digits."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from optimizers.data.examples import digits as write_digits
from optimizers.device import catalogue
from optimizers.events import EVENT
from optimizers.goal import Budget, Goal
from optimizers.inspect import inspect
from optimizers.task import Task

ROOT = Path(__file__).resolve().parents[2]
TRAIN = {"technique": "train", "params": {"architecture": "tiny-cnn", "epochs": 3}}
INT8 = {"technique": "quantize-static", "params": {"rows": 64}}


def child(folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-m", "optimizers", "run", str(folder)], cwd=ROOT, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def heard(lines):
    return [EVENT.validate_json(line) for line in lines]


def of(kind, events):
    return [event for event in events if event.type == kind]


def task(folder: Path, **changes) -> Task:
    """A fit task over digits, its cards inspected; written to the folder."""
    (folder / "in").mkdir(parents=True, exist_ok=True)
    write_digits(folder / "in" / "digits.npz")
    fields = dict(kind="fit", dataset="in/digits.npz", dataset_name="digits.npz", dataset_sha256="d" * 64,
                  device=catalogue()["this-server"], goal=Goal(max_drop=0.03), budget=Budget(minutes=None), seed=2, threads=1)
    fields |= changes
    fields["dataset_card"] = inspect(Task(kind="inspect", role="dataset", dataset="in/digits.npz"), folder)
    if "model" in fields:
        fields["model_card"] = inspect(Task(kind="inspect", role="model", model=fields["model"]), folder)
    made = Task(**fields)
    (folder / "task.json").write_text(made.model_dump_json())
    return made


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """One run of train + int8 from only a dataset."""
    folder = tmp_path_factory.mktemp("run")
    task(folder, recipe={"steps": [TRAIN, INT8]})
    process = child(folder)
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    return folder, heard(out.splitlines())


def test_events_come_numbered_and_end_with_done(ran):
    _, events = ran
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[0].type == "log" and events[-1].type == "done"
    assert of("plan", events)[-1].steps[0].state == "done"
    fractions = [event.fraction for event in of("progress", events)]
    assert fractions == sorted(fractions) and fractions[0] >= 0
    assert {point.name for point in of("curve", events)} >= {"train loss", "validation top1"}
    assert events[-1].verdict.endswith(".") and events[-1].recommended in {kept.candidate.key for kept in of("candidate", events)}


def test_files_are_what_the_candidate_says(ran):
    folder, events = ran
    candidate = of("candidate", events)[-1].candidate
    assert {file.role for file in candidate.files} == {"model", "recipe", "report", "readme"}
    for file in candidate.files:
        content = (folder / "out" / file.path).read_bytes()
        assert len(content) == file.bytes and hashlib.sha256(content).hexdigest() == file.sha256
    report = json.loads((folder / "out" / candidate.key / "report.json").read_text())
    assert report["candidate"]["measurements"]["top1"]["low"] < report["candidate"]["measurements"]["top1"]["high"]
    assert report["versions"]["onnxruntime"] and report["host"]["processor"]


def test_steps_tell_what_each_cost(ran):
    _, events = ran
    candidate = of("candidate", events)[-1].candidate
    assert [step.technique for step in candidate.steps] == ["train", "quantize-static"]
    assert candidate.steps[1].size_kib < candidate.steps[0].size_kib / 2
    assert candidate.validation == candidate.steps[-1].quality


def test_the_page_runs_as_it_stands_and_says_the_same(ran):
    """The code of README.md, in a process of its own, over rows of the test split."""
    folder, events = ran
    candidate = of("candidate", events)[-1].candidate
    home = folder / "out" / candidate.key
    code = re.search(r"```python\n(.*?)```", (home / "README.md").read_text(), re.DOTALL).group(1)
    from optimizers.data.load import load_dataset

    work = folder / "again"
    work.mkdir()
    data = load_dataset(folder / "in" / "digits.npz", None, {}, work)
    np.savez(folder / "rows.npz", x=data.test.x, y=data.test.y)
    code += f"\nrows = np.load({str(folder / 'rows.npz')!r})\nprint((predict(rows['x']).argmax(1) == rows['y']).mean())\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=home, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    first, accuracy = done.stdout.split()
    assert first in data.classes
    assert float(accuracy) == pytest.approx(candidate.measurements["top1"].value, abs=1e-9)


def test_the_planner_compresses_an_uploaded_network_and_forgets_no_done_key(tmp_path):
    """A model goes in, the baseline comes first; a second attempt skips what the first kept."""
    float_model = train_model(tmp_path)
    made = task(tmp_path / "job", model=float_model, model_name="m.onnx", model_sha256="e" * 64, budget=Budget(minutes=None, candidates=2))
    process = child(tmp_path / "job")
    out, err = process.communicate(timeout=150)
    assert process.returncode == 0, err
    events = heard(out.splitlines())
    kept = [event.candidate for event in of("candidate", events)]
    assert kept[0].baseline and kept[0].title == "baseline fp32" and not any(row.baseline for row in kept[1:])
    assert len(kept) == 3 and kept[1].change is not None and len(kept[1].classes) == 10
    assert kept[2].sensitivity, "int8 by sensitivity tells what each layer costs"
    (tmp_path / "job" / "task.json").write_text(made.model_copy(update={"done": (kept[0].key, kept[1].key)}).model_dump_json())
    again = child(tmp_path / "job")
    out, err = again.communicate(timeout=150)
    events = heard(out.splitlines())
    assert again.returncode == 0, err
    assert [event.candidate.key for event in of("candidate", events)] == [kept[2].key]
    assert of("done", events)[0].summary["tried"] == 2, "candidates of the earlier attempt still count"


def train_model(tmp_path: Path) -> str:
    """A float network for digits, written where a task may name it by its whole path."""
    from optimizers.context import Context
    from optimizers.data.load import load_dataset
    from optimizers.training.train import Training

    write_digits(tmp_path / "digits.npz")
    data = load_dataset(tmp_path / "digits.npz", None, {}, tmp_path)
    network = Training(architecture="tiny-cnn", epochs=2).apply(None, data, Context(tmp_path))
    (tmp_path / "m.onnx").write_bytes(network.serialize())
    return str(tmp_path / "m.onnx")


def test_a_stop_keeps_what_was_found(tmp_path):
    """SIGTERM after the first candidate: the child ends with status 0, a verdict, and the files of that candidate."""
    task(tmp_path / "job", model=train_model(tmp_path), model_name="m.onnx", budget=Budget(minutes=60))
    process = child(tmp_path / "job")
    lines = []
    for line in process.stdout:
        lines.append(line)
        if '"type":"candidate"' in line:
            process.send_signal(signal.SIGTERM)
            break
    lines += process.stdout         # read on as it was read: what is buffered may end within a letter
    _, err = process.communicate(timeout=90)
    events = heard(lines)
    assert process.returncode == 0, err
    assert events[-1].type == "done" and len(of("candidate", events)) < 8
    for kept in of("candidate", events):
        assert (tmp_path / "job" / "out" / kept.candidate.key / "model.onnx").is_file()
    states = {step.state for step in of("plan", events)[-1].steps}
    assert "skipped" in states and "running" not in states and "waiting" not in states


def test_a_user_mistake_is_told_with_three_sentences(tmp_path):
    task(tmp_path, recipe={"steps": [TRAIN]})
    (tmp_path / "in" / "digits.npz").write_bytes(b"PK\x03\x04 not a zip")
    process = child(tmp_path)
    out, _ = process.communicate(timeout=60)
    failed = of("error", heard(out.splitlines()))
    assert process.returncode == 2 and failed[0].fault == "user" and failed[0].refusal.wrong and failed[0].trace == ""


def test_a_folder_without_a_task_is_refused(tmp_path):
    process = child(tmp_path)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 2 and of("error", heard(out.splitlines()))[0].refusal.code == "task"


def test_inspection_answers_a_card(tmp_path):
    write_digits(tmp_path / "digits.npz")
    (tmp_path / "task.json").write_text(Task(kind="inspect", role="dataset", dataset="digits.npz").model_dump_json())
    process = child(tmp_path)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert of("inspected", heard(out.splitlines()))[0].dataset.rows == 1797


def test_one_broken_recipe_does_not_take_the_others_along(tmp_path, monkeypatch):
    """A technique that breaks down is told as failed; the baseline and the rest are kept."""
    from optimizers.compress.quantize.static import StaticQuantization
    from optimizers.context import Context
    from optimizers.run import run

    made = task(tmp_path / "job", model=train_model(tmp_path), model_name="m.onnx", budget=Budget(minutes=None, candidates=3))

    def broken(self, model, data, ctx):
        if self.sensitivity:
            raise ZeroDivisionError("a bug of ours")
        return applied(self, model, data, ctx)

    applied = StaticQuantization.apply
    monkeypatch.setattr(StaticQuantization, "apply", broken)
    events = []
    done = run(made, tmp_path / "job", Context(tmp_path / "job", emit=events.append))
    assert done.summary["failed"] == 1 and done.summary["tried"] == 2
    states = [step.state for step in of("plan", events)[-1].steps]
    assert states.count("failed") == 1 and states.count("done") == 3
    assert any("ZeroDivisionError" in event.text for event in of("log", events))


def test_every_layer_is_looked_at_once_and_an_earlier_look_is_believed(tmp_path):
    """What was found stands beside the original; a second job that is handed it does not look again."""
    from optimizers.context import Context
    from optimizers.run import run

    path = train_model(tmp_path)
    seen = {}
    for name, known in (("first", ()), ("second", None)):
        more = {"sensitivity": seen["first"][-1].candidate.sensitivity} if known is None else {}
        made = task(tmp_path / name, model=path, model_name="m.onnx", model_sha256="e" * 64,
                    budget=Budget(minutes=None, candidates=1, sensitivity=True), **more)
        events = []
        run(made, tmp_path / name, Context(tmp_path / name, emit=events.append))
        seen[name] = [event for event in of("candidate", events) if event.candidate.baseline]
        seen[f"{name} plan"] = {step.key for step in of("plan", events)[-1].steps}
    assert len(seen["first"]) == 2 and seen["first"][0].candidate.sensitivity == () and "sensitivity" in seen["first plan"]
    assert {row.treatment for row in seen["first"][1].candidate.sensitivity} >= {"8 bits", "2 bits", "half pruned"}
    report = json.loads((tmp_path / "first" / "out" / seen["first"][1].candidate.key / "report.json").read_text())
    assert len(report["candidate"]["sensitivity"]) == len(seen["first"][1].candidate.sensitivity)
    assert len(seen["second"]) == 1 and seen["second"][0].candidate.sensitivity and "sensitivity" not in seen["second plan"]
