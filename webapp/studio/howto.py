"""Working code for a downloaded candidate: the Python of its own README, and the command that makes it again."""

import re
import shlex
from dataclasses import dataclass

from jobs.models import Artifact, Job
from optimizers.candidate import Candidate

FENCE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Snippet:
    id: str
    title: str
    text: str


def howto(job: Job, candidate: Candidate, files: list[Artifact], readme: str) -> list[Snippet]:
    """Snippets for one candidate; none for what has no file."""
    names = {file.role: file.name for file in files}
    found = []
    if {"transfer", "decoder"} <= names.keys():
        text = f"python {shlex.quote(names['decoder'])} {shlex.quote(names['transfer'])} {shlex.quote(names.get('model', 'model.onnx'))}\n"
        found.append(Snippet("run-decode", "Command line: the model out of what travelled, byte for byte", text))
    if code := FENCE.search(readme):
        found.append(Snippet("run-python", f"Python, beside {names.get('model', 'the model')}", code[1]))
    if "recipe" in names and not candidate.baseline:
        found.append(Snippet("run-shell", "Command line: make the same again, without the server", shell(names["recipe"], job)))
    return found


def shell(recipe: str, job: Job) -> str:
    """The same candidate again; asks for the files that were uploaded."""
    lines = [f"python -m optimizers run {shlex.quote(recipe)}"]
    if job.model:
        lines.append(f"--model {shlex.quote(job.model.filename)}")
    if job.dataset:
        lines.append(f"--dataset {shlex.quote(job.dataset.filename)}")
    if job.device:
        lines.append(f"--device {shlex.quote(job.device['name'])}")
    return " \\\n  ".join([*lines, "--out again"]) + "\n"
