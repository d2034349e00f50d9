"""`espalier ...`: the client for people and shell scripts. Exit status: 0 done, 2 something you can mend, 1 the server's fault."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path

from espalier import login, table
from espalier.client import Client
from espalier.errors import InternalError, UserError
from espalier.job import Job
from espalier.library import Asset

MODELS = {".onnx", ".pt2", ".safetensors", ".json", ".ubj", ".lgb", ".skops"}


def main(arguments: list[str] | None = None) -> int:
    given = parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except UserError as error:
        print(f"espalier: {error}", file=sys.stderr)
        return 2
    except (InternalError, TimeoutError) as error:
        print(f"espalier: {error}", file=sys.stderr)
        return 1
    except FileNotFoundError as error:
        print(f"espalier: there is no file {error.filename}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nespalier: stopped looking; the job goes on", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser("espalier", description="Upload, fit, wait, download.")
    verbs = whole.add_subparsers(required=True, metavar="VERB")

    def verb(run, help: str) -> argparse.ArgumentParser:
        one = verbs.add_parser(run.__name__.rstrip("_"), help=help)
        one.set_defaults(run=run)
        return one

    one = verb(login_, "keep the server's address and a token for later")
    one.add_argument("url")
    one.add_argument("--token", help="asked for when missing, so that it stays out of the shell's history")
    one = verb(upload, "send a model or dataset, and wait for its inspection")
    one.add_argument("file", type=Path)
    one.add_argument("--kind", choices=["model", "dataset"], help="told from the suffix when missing")
    one.add_argument("--name")
    one.add_argument("--architecture", help="of safetensors weights: a name of the zoo")
    one.add_argument("--unlabelled", action="store_true", help="of a dataset: take it without labels")
    options(one)
    one = verb(correct, "inspect a dataset again with other options; without any, as it was found")
    one.add_argument("dataset")
    options(one)
    one = verb(devices, "list what can be fitted for")
    one.add_argument("--json", action="store_true")
    one = verb(fit, "submit a job, wait, print the front")
    one.add_argument("--model")
    one.add_argument("--dataset")
    one.add_argument("--device", required=True)
    one.add_argument("--metric", choices=["top1", "macro_f1", "r2", "agreement", "cosine"])
    one.add_argument("--preprocessing", metavar="JSON", help='such as {"scale": "standard", "mean": [0.5], "std": [0.25]}')
    one.add_argument("--max-drop", type=float, help="largest loss as a fraction; 0.01 is one point")
    one.add_argument("--minutes", type=float)
    one.add_argument("--sensitivity", action="store_true", help="look at every layer too: what few bits, pruning, low rank cost")
    one.add_argument("--study", action="store_true", help="of a dataset: compare the families of estimators by measured bias and variance")
    one.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE", help="such as flash_kib=256; may be repeated")
    one.add_argument("--seed", type=int)
    one.add_argument("--no-wait", action="store_true")
    verb(jobs, "list jobs, newest first")
    one = verb(wait, "wait for a job, print its front")
    one.add_argument("job")
    one = verb(download, "fetch the files of a job's recommended candidate, or of --candidate KEY")
    one.add_argument("job")
    one.add_argument("folder", type=Path)
    one.add_argument("--candidate")
    return whole


def options(one: argparse.ArgumentParser) -> None:
    """What may be said about a table."""
    one.add_argument("--target", help="of a table: the column to predict")
    one.add_argument("--task", choices=["classification", "regression", "unlabelled"])
    one.add_argument("--type", action="append", default=[], metavar="COLUMN=TYPE", help="number, category, date or text; may be repeated")
    one.add_argument("--drop", action="append", default=[], metavar="COLUMN", help="take it for no feature; may be repeated")
    one.add_argument("--split", choices=["random", "groups", "time", "column"])
    one.add_argument("--split-by", metavar="COLUMN", help="groups, time, or train, validation and test in words")
    one.add_argument("--validation", choices=["test", "train"], help="what it is taken from where only test is declared")
    one.add_argument("--strip-labels", action="store_true", help="remove dots at the end of labels")


def said(given) -> dict:
    """The options that were given, as the server names them."""
    types = dict(pair.rpartition("=")[::2] for pair in given.type)
    if "" in types:
        raise UserError("A type is COLUMN=TYPE.", "--type", "Such as --type zip=category.")
    named = {name: getattr(given, name) for name in ("target", "task", "drop", "split", "split_by", "validation", "strip_labels")}
    return {name: value for name, value in (named | {"types": types}).items() if value}


def login_(given) -> None:
    token = given.token or getpass.getpass("Token: ")
    client = Client(given.url, token)
    count = len(client.get_devices())
    print(f"Kept in {login.save(given.url, token)}. The server answers, and knows {count} devices.")


def kind_of(file: Path) -> str:
    """Model or dataset by the ending; a .txt is a table, unless it begins as LightGBM's text does."""
    if file.suffix == ".txt" and file.is_file():
        with file.open("rb") as text:
            return "model" if text.read(5) == b"tree\n" else "dataset"
    return "model" if file.suffix in MODELS else "dataset"


def upload(given) -> None:
    kind = given.kind or kind_of(given.file)
    client, show = Client(), bar(given.file.name)
    asset: Asset
    if kind == "model":
        asset = client.upload_model(given.file, name=given.name, architecture=given.architecture, progress=show)
    else:
        asset = client.upload_dataset(given.file, name=given.name, unlabelled=given.unlabelled, progress=show, **said(given))
    report(asset)


def correct(given) -> None:
    report(Client().get_dataset(given.dataset).inspect_again(**said(given)))


def report(asset: Asset) -> None:
    print(f"{asset.id}  {asset.name}  {asset.state}")
    for problem in asset.data["problems"]:
        print(f"  {problem.get('wrong') or problem}")


def devices(given) -> None:
    rows = Client().get_devices()
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    figure = lambda fact: f"{table.number(fact['value'])} {fact['unit']}" if fact else "-"
    facts = ("clock_mhz", "flash_kib", "ram_kib")
    lines = [[one["name"], one["title"], one["core"], *(figure(one[name]) for name in facts)] for one in rows]
    print(table.grid([["name", "device", "core", "clock", "flash", "RAM"], *lines]))


def fit(given) -> None:
    try:
        limits = {name: float(value) for name, value in (pair.split("=", 1) for pair in given.limit)}
    except ValueError:
        raise UserError("A limit is NAME=VALUE.", "--limit", "Such as --limit flash_kib=256.") from None
    try:
        preprocessing = json.loads(given.preprocessing) if given.preprocessing else None
    except ValueError:
        raise UserError("The preprocessing is not JSON.", "--preprocessing", 'Such as \'{"scale": "-1-1", "size": [224, 224]}\'.') from None
    job = Client().submit_optimize_job(
        model=given.model, dataset=given.dataset, device=given.device, metric=given.metric, max_drop=given.max_drop,
        minutes=given.minutes, limits=limits or None, seed=given.seed, preprocessing=preprocessing,
        sensitivity=given.sensitivity or None, study=given.study or None)
    print(f"{job.id}  {job.title}")
    if not given.no_wait:
        follow(job)


def jobs(given) -> None:
    lines = [[one["id"], one["state"], f"{100 * one['progress']:.0f} %", one["title"]] for one in Client().get_jobs()]
    print(table.grid([["job", "state", "done", "title"], *lines]))


def wait(given) -> None:
    follow(Client().get_job(given.job))


def download(given) -> None:
    client = Client()
    job = client.get_job(given.job)
    chosen = next((one for one in job.candidates if one.key == given.candidate), None) if given.candidate else job.recommended()
    if chosen is None:
        raise UserError("There is no such candidate.", given.candidate or "recommended",
                        f"Choose one with --candidate: {', '.join(one.key for one in job.candidates) or 'none was found'}.")
    given.folder.mkdir(parents=True, exist_ok=True)
    for artifact in chosen.artifacts:
        print(client.download_artifact(artifact, given.folder))


def follow(job: Job) -> None:
    job.wait(progress=line())
    print(f"\n{table.front(job)}\n\n{job.verdict}")


def line():
    """Progress of a job: one line that changes on a terminal, a line per new step elsewhere."""
    last = [""]

    def show(job: Job) -> None:
        words = f"{100 * job.data['progress']:3.0f} %  {job.state}  {job.data.get('note') or job.data.get('step') or ''}"
        if sys.stderr.isatty():
            print(f"\r{words[:110]:<110}", end="", file=sys.stderr, flush=True)
        elif words != last[0]:
            print(words, file=sys.stderr, flush=True)
        last[0] = words

    return show


def bar(name: str):
    def show(sent: int, whole: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{name}  {100 * sent / whole:3.0f} %  {sent / 1e6:,.1f} of {whole / 1e6:,.1f} MB", end="\n" if sent == whole else "",
                  file=sys.stderr, flush=True)

    return show


if __name__ == "__main__":
    sys.exit(main())
