"""Working code for a downloaded candidate, in Python and on the command line."""

import shlex
from dataclasses import dataclass

from jobs.models import Artifact, Job
from optimizers.candidate import Candidate

PYTHON = '''import numpy as np
import onnxruntime as ort

session = ort.InferenceSession("{file}", providers=["CPUExecutionProvider"])
given = session.get_inputs()[0]
shape = [size if isinstance(size, int) else 1 for size in given.shape]
rows = np.zeros(shape, np.{dtype})  # put your rows here, prepared as README.md says
answers = session.run(None, {{given.name: rows}})[0]
print({answer})
'''
DTYPES = {"float32": "float32", "float16": "float16", "uint8": "uint8", "int8": "int8", "int64": "int64"}


@dataclass(frozen=True)
class Snippet:
    id: str
    title: str
    text: str


def howto(job: Job, candidate: Candidate, files: list[Artifact]) -> list[Snippet]:
    """Snippets for one candidate; none for what has no file."""
    names = {file.role: file.name for file in files}
    found = []
    if names.get("model", "").endswith(".onnx"):
        found.append(Snippet("run-python", "Python", python(names["model"], job)))
    if "recipe" in names and not candidate.baseline:
        found.append(Snippet("run-shell", "Command line", shell(names["recipe"], job)))
    return found


def python(file: str, job: Job) -> str:
    inputs = (job.model.card or {}).get("inputs") if job.model else None
    dtype = DTYPES.get(inputs[0]["dtype"], "float32") if inputs else "float32"
    classes = job.goal.get("metric") != "r2"
    return PYTHON.format(file=file, dtype=dtype, answer="answers.argmax(axis=1)" if classes else "answers")


def shell(recipe: str, job: Job) -> str:
    """The same candidate again without the server; asks for the files that were uploaded."""
    lines = [f"python -m optimizers run {recipe}"]
    if job.model:
        lines.append(f"--model {shlex.quote(job.model.filename)}")
    if job.dataset:
        lines.append(f"--dataset {shlex.quote(job.dataset.filename)}")
    if job.device:
        lines.append(f"--device {shlex.quote(job.device['name'])}")
    return " \\\n  ".join([*lines, "--out again"]) + "\n"
