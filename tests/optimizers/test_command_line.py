"""The command line: what it prints, what it exits with, and that the docs' recipe works and replays."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from optimizers.catalogue import TECHNIQUES
from optimizers.cli import main
from optimizers.data.examples import digits as write_digits
from optimizers.desk import Found, agreement
from optimizers.device import catalogue
from optimizers.recipe import Recipe

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments, cwd=ROOT):
    return subprocess.run([sys.executable, "-m", "optimizers", *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=170,
                          env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})


def test_lists_as_json_lines(capsys):
    assert main(["techniques", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["name"] for row in rows] == list(TECHNIQUES) and rows[0]["parameters"]["properties"]
    assert main(["devices", "--json"]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == list(catalogue())


def test_lists_as_tables(capsys):
    assert main(["techniques"]) == 0 and main(["devices"]) == 0
    out = capsys.readouterr().out
    assert "quantize-static" in out and "Cortex-M7" in out and "flash KiB" in out


@pytest.mark.parametrize(("arguments", "words"), [
    (["inspect", "nowhere.npz"], "no such file"),
    (["fit", "--out", "x"], "--data is missing"),
    (["run", "nowhere.yaml", "--data", "x.npz", "--out", "x"], "no such recipe"),
])
def test_mistakes_end_with_status_2_and_a_sentence(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err
    assert main([*arguments, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["refusal"]["wrong"]


def test_an_unknown_device_names_the_known(tmp_path, capsys):
    write_digits(tmp_path / "digits.npz")
    fit = ["fit", "--data", str(tmp_path / "digits.npz"), "--out", str(tmp_path / "out"), "--device"]
    assert main([*fit, "toaster"]) == 2
    assert "stm32h743" in capsys.readouterr().err
    assert main([*fit, "stm32h743", "--flash-kib", "1"]) == 2
    assert "the limit is 1 KiB" in capsys.readouterr().err


def docs_recipe() -> str:
    return re.search(r"```yaml\n(.*?)```", (ROOT / "docs" / "recipes.md").read_text(), re.DOTALL).group(1)


def test_a_recipe_is_followed_and_replays(tmp_path, trained, capsys):
    """One step on a trained network; the recipe that lies beside the result then gives the same bytes."""
    assert Recipe.parse(docs_recipe()).steps[-1].name == "quantize-static"
    write_digits(tmp_path / "digits.npz")
    (tmp_path / "net.onnx").write_bytes(trained.serialize())
    (tmp_path / "recipe.yaml").write_text("steps: [{technique: quantize-static, params: {rows: 32}}]")
    files = ["--model", str(tmp_path / "net.onnx"), "--data", str(tmp_path / "digits.npz"), "--json"]
    assert main(["run", str(tmp_path / "recipe.yaml"), *files, "--out", str(tmp_path / "found")]) == 0
    home = next((tmp_path / "found").glob("int8-*"))
    capsys.readouterr()
    assert main(["run", str(home / "recipe.yaml"), *files, "--out", str(tmp_path / "again")]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["agrees"]


@pytest.mark.slow
def test_the_recipe_of_the_docs_works_and_replays(tmp_path):
    """docs/recipes.md as it stands; then the recipe it left is followed again and agrees byte for byte."""
    (tmp_path / "recipe.yaml").write_text(docs_recipe())
    write_digits(tmp_path / "digits.npz")
    first = run("run", "recipe.yaml", "--dataset", "digits.npz", "--device", "this-server", "--out", "found", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "fits" in first.stdout.lower() and "int8" in first.stdout and "● measured" in first.stdout
    home = next((tmp_path / "found").glob("train-*"))
    assert {path.name for path in home.iterdir()} == {"model.onnx", "recipe.yaml", "report.json", "README.md"}
    assert (tmp_path / "found" / "report.json").is_file() and not (tmp_path / "found" / ".work").exists()
    second = run("run", home / "recipe.yaml", "--dataset", "digits.npz", "--out", "again", "--json", cwd=tmp_path)
    assert second.returncode == 0, second.stdout[-500:] + second.stderr
    said = json.loads(second.stdout.splitlines()[-1])
    assert said["agrees"] and "The same file, byte for byte." in said["sentences"]


def test_a_replay_that_came_out_otherwise_is_said_so(tmp_path):
    """0.6 points of top-1 are more than the 0.5 that a report allows; one percent of the bytes is still allowed."""
    def candidate(top1, size):
        from optimizers.candidate import Candidate, File
        from optimizers.measurement import Measurement

        numbers = {"top1": Measurement(value=top1, unit="fraction", origin="measured", how=""),
                   "size_kib": Measurement(value=size, unit="KiB", origin="measured", how="")}
        file = File(role="model", name="model.onnx", path="k/model.onnx", bytes=1, sha256=f"{int(size * 10):064x}")
        return Candidate(key="k", title="int8", recipe={}, measurements=numbers, fits=True, files=(file,))

    stored = {"candidate": candidate(0.9, 100.0).model_dump(mode="json"), "tolerance": {"points": 0.5, "size": 0.01}}
    (tmp_path / "report.json").write_text(json.dumps(stored))
    said = {top1: agreement(Found([candidate(top1, size)]), tmp_path / "report.json", "top1")
            for top1, size in ((0.906, 100.0), (0.896, 100.9))}
    assert not said[0.906].agrees and said[0.906].sentences[0] == "It does not agree."
    assert said[0.896].agrees and "Not the same bytes." in said[0.896].sentences
    trained = candidate(0.9, 100.0).model_copy(update={"baseline": True})
    assert agreement(Found([trained]), tmp_path / "report.json", "top1").agrees, "without a model, what a recipe makes is its own baseline"


def test_measure_prints_units_and_origins(tmp_path, trained, capsys):
    write_digits(tmp_path / "digits.npz")
    (tmp_path / "net.onnx").write_bytes(trained.serialize())
    assert main(["measure", str(tmp_path / "net.onnx"), "--data", str(tmp_path / "digits.npz"), "--device", "stm32h743", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["size_kib"]["unit"] == "KiB" and found["device_latency_ms"]["origin"] == "modelled" and 0 < found["top1"]["value"] <= 1
