"""Behind the command line: make a task out of files and wishes, work on it in place, and compare a replay with what was stored."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from optimizers import events, recipe_text
from optimizers.candidate import Candidate
from optimizers.cards import DatasetCard, ModelCard
from optimizers.device import Device, catalogue
from optimizers.errors import OptimizerError
from optimizers.goal import LIMITS, Budget, Goal, Limits
from optimizers.models.audit import ENDINGS
from optimizers.models.audit_trees import looks_like_lightgbm
from optimizers.models.preprocessing import said
from optimizers.recipe import Recipe
from optimizers.search import match
from optimizers.search.dry_run import dry_run
from optimizers.task import Task
from optimizers.worker import context

if TYPE_CHECKING:
    from argparse import Namespace

    from optimizers.measurement import Measurement

Watch = Callable[[events.Base], None]


def card_of(path: Path, options: dict[str, Any] | None = None) -> ModelCard | DatasetCard:
    """What inspection finds in a file of either kind, told apart by its suffix. Raises OptimizerError."""
    from optimizers.inspect import inspect

    if not path.is_file():
        raise OptimizerError("There is no such file.", str(path), "Check the path.", "no-file")
    role = role_of(path)
    task = {"kind": "inspect", "role": role, role: str(path.resolve()), f"{role}_name": path.name, f"{role}_options": options or {}}
    return inspect(Task.model_validate(task), path.parent)


def role_of(path: Path) -> str:
    """Model or dataset, by the suffix; a .txt is LightGBM's where it begins like it, else a table."""
    if path.suffix.lower() != ".txt":
        return "model" if path.suffix.lower() in ENDINGS else "dataset"
    with path.open("rb") as file:
        return "model" if looks_like_lightgbm(file.read(4096)) else "dataset"


def task_for(arguments: Namespace, recipe: Recipe | None = None, facts: dict[str, Any] | None = None) -> Task:
    """A fit task from parsed arguments; a replay's facts fill what was not said. Raises OptimizerError."""
    facts = facts or {}
    model_options, dataset_options = options_of(arguments, facts)
    model = card_of(arguments.model, model_options) if arguments.model else None
    dataset = card_of(arguments.data, dataset_options)
    if not isinstance(dataset, DatasetCard) or not (model is None or isinstance(model, ModelCard)):
        raise OptimizerError("A model stands where a dataset belongs, or the other way round.", str(arguments.data),
                             f"--model takes {', '.join(ENDINGS)}; --data takes a zip, npz or a table.", "wrong-role")
    named = {} if arguments.model is None else {
        "model": str(arguments.model.resolve()), "model_name": arguments.model.name, "model_sha256": sha256(arguments.model)}
    return Task(
        kind="fit", **named, model_options=model_options, dataset=str(arguments.data.resolve()), dataset_name=arguments.data.name,
        dataset_sha256=sha256(arguments.data), dataset_options=dataset_options, model_card=model, dataset_card=dataset,
        device=device_of(arguments.device or facts.get("device") or "this-server"),
        goal=Goal.model_validate(facts["goal"]) if facts.get("goal") else goal_of(arguments, model, dataset),
        budget=Budget(minutes=getattr(arguments, "minutes", None), candidates=getattr(arguments, "candidates", None),
                      sensitivity=getattr(arguments, "sensitivity", False), study=getattr(arguments, "study", False)),
        recipe=recipe.dump() if recipe else None, seed=recipe.seed if recipe else getattr(arguments, "seed", 0), threads=arguments.threads)


def options_of(arguments: Namespace, facts: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of the model and of the dataset: what was said, else what the recipe file remembers."""
    model, dataset = (dict((facts.get(role) or {}).get("options") or {}) for role in ("model", "dataset"))
    if arguments.architecture:
        model["architecture"] = arguments.architecture
    if (wanted := arguments.preprocessing or facts.get("preprocessing")) and arguments.model:
        model["preprocessing"] = said(wanted)
    return model, dataset | dataset_options(arguments)


def dataset_options(arguments: Namespace) -> dict[str, Any]:
    """The fields of DatasetOptions that were said.  Raises OptimizerError."""
    pairs = [pair.rpartition("=") for pair in arguments.type or ()]
    if odd := next((kind for name, _, kind in pairs if not name), None):
        raise OptimizerError(f"'{odd[:60]}' is no COLUMN=TYPE.", "--type", "Such as --type zip=category.", "bad-option")
    named = {name: getattr(arguments, name) for name in ("target", "task", "drop", "split", "split_by", "validation", "strip_labels")}
    return {name: value for name, value in (named | {"types": {name: kind for name, _, kind in pairs}}).items() if value}


def goal_of(arguments: Namespace, model: ModelCard | None, dataset: DatasetCard) -> Goal:
    metric = getattr(arguments, "metric", None) or match.metrics(model, dataset)[0]
    wishes = {name: getattr(arguments, name, None) for name in ("floor", "max_drop")}
    try:
        return Goal(metric=metric, **wishes, limits=Limits(**{limit: getattr(arguments, limit, None) for limit in LIMITS}))
    except ValidationError as error:
        first = error.errors()[0]
        option = f"--{str(first['loc'][-1]).replace('_', '-')}"
        raise OptimizerError(f"{first['msg']}; got {first['input']}.", option, "", "bad-goal") from None


def device_of(wanted: str | dict[str, Any]) -> Device:
    """A name of the catalogue, a JSON file, or a whole profile."""
    if isinstance(wanted, str) and wanted in catalogue():
        return catalogue()[wanted]
    try:
        if isinstance(wanted, dict):
            return Device.model_validate(wanted)
        if Path(wanted).suffix == ".json":
            return Device.model_validate_json(Path(wanted).read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise OptimizerError(f"The device profile cannot be read: {str(error).splitlines()[0]}", str(wanted)[:200],
                             "See optimizers/devices.toml for the fields.", "bad-device") from None
    raise OptimizerError(f"There is no device '{str(wanted)[:60]}'.", "--device", f"Known: {', '.join(catalogue())}.", "unknown-device")


def replay_task(arguments: Namespace) -> Task:
    """The task that a recipe file describes, over the files that are named now."""
    try:
        text = arguments.recipe.read_text("utf-8")
    except OSError:
        raise OptimizerError("There is no such recipe.", str(arguments.recipe), "Name a recipe.yaml, or a worker's folder.",
                             "no-file") from None
    recipe = Recipe.parse(text)
    return task_for(arguments, recipe, recipe_text.read(text))


@dataclass
class Found:
    """What a piece of work left: every kept candidate, and how it ended."""

    candidates: list[Candidate] = field(default_factory=list)
    done: events.Done | None = None
    folders: dict[str, str] = field(default_factory=dict)       # key -> folder under out

    def keep(self, candidate: Candidate) -> None:
        """One more, or one that is known better by now."""
        keys = [row.key for row in self.candidates]
        if candidate.key in keys:
            self.candidates[keys.index(candidate.key)] = candidate
        else:
            self.candidates.append(candidate)


def work(task: Task, out: Path, watch: Watch) -> Found:
    """Refuse at once what cannot be, else run it; --out then holds report.json, recipe.yaml and a folder for each candidate."""
    from optimizers.run import run

    if refusal := dry_run(task.model_card, task.dataset_card, task.device, task.goal, task.budget, task.recipe, task.seed,
                             preprocessing=task.model_options.get("preprocessing")).refusal:
        raise OptimizerError.of(refusal)
    bench = out / ".work"
    bench.mkdir(parents=True, exist_ok=True)
    found, asked = Found(), []

    def listen(event: events.Base) -> None:
        if isinstance(event, events.Kept):
            found.keep(event.candidate)
        watch(event)

    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        found.done = run(task, bench, context(task, bench, listen, lambda: bool(asked)))
    finally:
        signal.signal(signal.SIGINT, before)
        lay_out(found, bench, out)
    return found


def lay_out(found: Found, bench: Path, out: Path) -> None:
    for candidate in found.candidates:
        name = f"{slug(candidate.title)}-{candidate.key[:6]}"
        shutil.rmtree(out / name, ignore_errors=True)
        shutil.move(bench / "out" / candidate.key, out / name)
        found.folders[candidate.key] = name
    shutil.rmtree(bench, ignore_errors=True)
    if found.done:
        table = {"done": found.done.model_dump(mode="json"), "candidates": [row.model_dump(mode="json") for row in found.candidates]}
        (out / "report.json").write_text(json.dumps(table, indent=1))
        best = found.folders.get(found.done.recommended or "")
        if best:
            shutil.copy(out / best / "recipe.yaml", out / "recipe.yaml")


def slug(title: str) -> str:
    """
    >>> slug("prune 50 % + fine-tune + int8")
    'prune-50-fine-tune-int8'
    """
    return "-".join("".join(letter if letter.isascii() and letter.isalnum() else " " for letter in title.lower()).split())


def measure(task: Task) -> dict[str, Measurement]:
    """Everything about one model as it is."""
    import tempfile

    from optimizers.inputs import load_data, load_network
    from optimizers.measure.yardstick import Yardstick, shipped

    if refusal := match.refuse(task.model_card, task.dataset_card, task.goal, task.model_options.get("preprocessing")):
        raise OptimizerError.of(refusal)
    with tempfile.TemporaryDirectory() as folder:
        ctx = context(task, Path(folder), lambda event: None, lambda: False)
        data = load_data(task, Path(folder), ctx)
        return Yardstick(data, task.device, task.goal, task.seed).measure(shipped(load_network(task, Path(folder), data, ctx))).measurements


@dataclass(frozen=True)
class Agreement:
    """Whether a replay came to what was stored, and the sentences that say so."""

    agrees: bool
    sentences: tuple[str, ...]


def agreement(found: Found, stored: Path, metric: str) -> Agreement:
    """Compare the replayed candidate with a stored report.json, within the tolerance that the report states."""
    try:
        table = json.loads(stored.read_text("utf-8"))
        before, tolerance = Candidate.model_validate(table["candidate"]), table["tolerance"]
    except (OSError, ValueError, KeyError) as error:
        raise OptimizerError(f"The report cannot be read: {str(error).splitlines()[0][:200]}", str(stored),
                             "Name the report.json that came with the recipe.", "bad-report") from None
    after = next((row for row in reversed(found.candidates) if row.recipe.get("steps") == before.recipe.get("steps")), None)
    if after is None:
        return Agreement(False, ("The replay made no candidate to compare.",))
    was, now = before.measurements[metric].value, after.measurements[metric].value
    apart = 100 * abs(now - was)
    sizes = before.measurements["size_kib"].value, after.measurements["size_kib"].value
    close, alike = apart <= tolerance["points"], abs(sizes[1] / sizes[0] - 1) <= tolerance["size"]
    files = [next(file.sha256 for file in row.files if file.role == "model") for row in (before, after)]
    said = [f"{metric}: {100 * now:.2f} against {100 * was:.2f}, {apart:.2f} points apart ({tolerance['points']:g} allowed).",
            f"Size: {sizes[1]:.1f} against {sizes[0]:.1f} KiB ({tolerance['size']:.0%} allowed).",
            "The same file, byte for byte." if files[0] == files[1] else "Not the same bytes."]
    return Agreement(close and alike, ("It agrees." if close and alike else "It does not agree.", *said))


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
