"""The command line: techniques, devices, inspect, run, fit, measure. Human tables on a terminal, JSON lines with --json."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from optimizers import __version__, terminal
from optimizers.errors import OptimizerError
from optimizers.goal import LIMITS, METRICS


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 2 the user's mistake, 1 ours."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.do(arguments)
    except OptimizerError as error:
        terminal.refuse(error.refusal, arguments.json)
        return 2
    except BrokenPipeError:
        return 0


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(prog="python -m optimizers", description="Train, compress and measure models until they fit.")
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, do, help: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=help, description=help)
        made.add_argument("--json", action="store_true", help="JSON lines instead of tables")
        made.set_defaults(do=do)
        return made

    command("techniques", techniques, "list every technique with its parameters")
    command("devices", devices, "list every device of the catalogue")
    one = command("inspect", inspect, "look at a model or dataset and say what is in it")
    one.add_argument("file", type=Path)
    table_options(one)
    one = command("measure", measure, "measure a model as it is")
    files(one, positional=True)
    one.add_argument("--metric", choices=list(METRICS), help="what quality means")
    fit_command(command("fit", fit, "plan, try and choose: from a model or only a dataset to candidates that fit"))
    again = command("run", run, "follow a recipe; or do the task in a folder, as a worker's child")
    again.add_argument("recipe", type=Path, metavar="RECIPE_OR_FOLDER")
    again.add_argument("--report", type=Path, help="report.json to agree with; the one beside the recipe is found by itself")
    files(again)
    return whole


def files(command: argparse.ArgumentParser, positional: bool = False) -> None:
    if positional:
        command.add_argument("model", type=Path, metavar="FILE")
    else:
        command.add_argument("--model", type=Path,
                             help="ONNX, .pt2, safetensors, or trees (.json .ubj .txt .skops); leave it out to train one")
    command.add_argument("--data", "--dataset", dest="data", type=Path, required=positional,
                         help="zip, npz or a table, with labels or without")
    table_options(command)
    command.add_argument("--preprocessing", metavar="WORDS", help="what the network was fed while it was trained, such as "
                         "'scale=standard mean=0.5 std=0.25 size=224x224'; what is left out is found by itself")
    command.add_argument("--architecture", help="zoo name, for a safetensors file")
    command.add_argument("--device", help="name from `devices`, or a JSON file with a profile; this-server by default")
    command.add_argument("--threads", type=int, default=2, help="for training; timing always uses one")
    if not positional:
        command.add_argument("--out", type=Path, help="folder for what is found")


def table_options(command: argparse.ArgumentParser) -> None:
    """Fields of DatasetOptions."""
    command.add_argument("--target", help="target column of a table")
    command.add_argument("--unlabelled", dest="task", action="store_const", const="unlabelled",
                         help="take folders, y or the last column for no labels")
    command.add_argument("--task", choices=["classification", "regression", "unlabelled"], help="what the target is; found without it")
    command.add_argument("--type", action="append", metavar="COLUMN=TYPE", help="number, category, date or text; may be repeated")
    command.add_argument("--drop", action="append", metavar="COLUMN", help="take it for no feature; may be repeated")
    command.add_argument("--split", choices=["random", "groups", "time", "column"], help="how rows become train, validation and test")
    command.add_argument("--split-by", metavar="COLUMN", help="the column that --split goes by")
    command.add_argument("--validation", choices=["test", "train"], help="what it is taken from where only test is declared")
    command.add_argument("--strip-labels", action="store_true", default=None, help="remove dots at the end of labels")


def fit_command(command: argparse.ArgumentParser) -> None:
    files(command)
    command.add_argument("--metric", choices=list(METRICS), help="what quality means; the first that suits model and dataset when left out")
    command.add_argument("--max-drop", type=float, default=0.01, help="largest loss against the original, as a fraction (0.01 = 1 point)")
    command.add_argument("--floor", type=float, help="least quality, absolute, as a fraction")
    command.add_argument("--minutes", type=float, default=5.0, help="how long to look")
    command.add_argument("--candidates", type=int, help="how many recipes to try at most")
    command.add_argument("--sensitivity", action="store_true", help="look at every layer too: what few bits, pruning, low rank cost")
    command.add_argument("--study", action="store_true", help="of a dataset: compare families of estimators by bias and variance")
    command.add_argument("--seed", type=int, default=0)
    for limit, (_, unit, label) in LIMITS.items():
        command.add_argument(f"--{limit.replace('_', '-')}", type=float, help=f"{label} limit, {unit}")


def techniques(arguments: argparse.Namespace) -> int:
    from optimizers.catalogue import TECHNIQUES

    terminal.techniques(TECHNIQUES, arguments.json)
    return 0


def devices(arguments: argparse.Namespace) -> int:
    from optimizers.device import catalogue

    terminal.devices(catalogue(), arguments.json)
    return 0


def inspect(arguments: argparse.Namespace) -> int:
    from optimizers import desk

    terminal.card(desk.card_of(arguments.file, desk.dataset_options(arguments)), arguments.json)
    return 0


def measure(arguments: argparse.Namespace) -> int:
    from optimizers import desk

    terminal.measurements(desk.measure(desk.task_for(arguments)), arguments.json)
    return 0


def fit(arguments: argparse.Namespace) -> int:
    from optimizers import desk

    needed(arguments, "data", "out")
    terminal.result(desk.work(desk.task_for(arguments), arguments.out, terminal.watcher(arguments.json)), arguments.out, arguments.json)
    return 0


def run(arguments: argparse.Namespace) -> int:
    if arguments.recipe.is_dir():
        from optimizers import worker

        return worker.main(arguments.recipe)
    from optimizers import desk

    needed(arguments, "data", "out")
    task = desk.replay_task(arguments)
    found = desk.work(task, arguments.out, terminal.watcher(arguments.json))
    terminal.result(found, arguments.out, arguments.json)
    stored = arguments.report or arguments.recipe.with_name("report.json")
    if not stored.is_file():
        if arguments.report:
            raise OptimizerError("There is no such report.", str(stored), "Name the report.json that came with the recipe.", "no-file")
        return 0
    agreement = desk.agreement(found, stored, task.goal.metric)
    terminal.agreement(agreement, arguments.json)
    return 0 if agreement.agrees else 1


def needed(arguments: argparse.Namespace, *names: str) -> None:
    for name in names:
        if getattr(arguments, name) is None:
            raise OptimizerError(f"--{name} is missing.", f"--{name}", "Add it; --help lists everything.", "missing-option")


if __name__ == "__main__":
    sys.exit(main())
