"""A fit without labels from the command line: preprocessing that was said, written, and replayed."""

import json

import numpy as np
import onnx
import pytest
import yaml

from optimizers.cli import main
from optimizers.errors import OptimizerError
from optimizers.models.preprocessing import Preprocessing, said


@pytest.fixture(scope="module")
def found(trained, tmp_path_factory):
    """A fit of the toy network to pictures of another size, without labels."""
    home = tmp_path_factory.mktemp("fidelity")
    onnx.save(trained.proto, home / "net.onnx")
    np.savez(home / "rows.npz", x=np.random.default_rng(0).integers(0, 255, (120, 12, 12), np.uint8))
    (home / "int8.yaml").write_text("steps: [{technique: quantize-static, params: {rows: 40}}]")
    status = main(["run", str(home / "int8.yaml"), "--model", str(home / "net.onnx"), "--data", str(home / "rows.npz"),
                   "--preprocessing", "scale=standard mean=0.5 std=0.25", "--out", str(home / "out"), "--json"])
    assert status == 0
    return home


def test_recipe_and_report_carry_the_preprocessing(found):
    recipe = yaml.safe_load((found / "out" / "recipe.yaml").read_text())
    assert recipe["preprocessing"] == {"scale": "standard", "mean": [0.5], "std": [0.25], "size": [8, 8], "channels": None,
                                       "layout": "nchw", "flatten": False, "constants": {}, "carried": {}}
    assert recipe["goal"]["metric"] == "agreement", "a classifier without labels is judged by its agreement"
    whole = json.loads((found / "out" / "report.json").read_text())["candidates"]
    assert whole[0]["measurements"]["agreement"]["value"] == 1.0
    assert {"agreement", "cosine", "sqnr_db"} <= whole[-1]["measurements"].keys() and "top1" not in whole[-1]["measurements"]
    assert whole[-1]["fidelity"][0]["place"] == "output" and not any("Nobody said" in note for note in whole[-1]["notes"])


def test_a_replay_feeds_what_was_fed(found, capsys):
    folder = next(path for path in (found / "out").iterdir() if path.name.startswith("int8"))
    status = main(["run", str(folder / "recipe.yaml"), "--model", str(found / "net.onnx"), "--data", str(found / "rows.npz"),
                   "--out", str(found / "again")])
    said_ = capsys.readouterr().out
    assert status == 0 and "It agrees." in said_ and "The same file, byte for byte." in said_


def test_the_readme_runs(found, monkeypatch):
    folder = next(path for path in (found / "out").iterdir() if path.name.startswith("int8"))
    code = (folder / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    space: dict = {}
    exec(code, space)
    assert [values.shape for values in space["predict"](space["row"]).values()] == [(1, 10)]


def test_without_a_word_the_scale_is_told(found, capsys):
    assert main(["measure", str(found / "net.onnx"), "--data", str(found / "rows.npz"), "--json"]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured["agreement"]["value"] == 1.0 and "by definition" in measured["agreement"]["how"]
    assert main(["measure", str(found / "net.onnx"), "--data", str(found / "rows.npz"), "--metric", "top1", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["refusal"]["code"] == "unlabelled"


@pytest.mark.parametrize(("words", "place"), [("scale=loud", "scale"), ("std=0", "std.0"), ("size=240", "size"), ("colour=red", "colour"),
                                              ("{not json", "json")])
def test_nonsense_is_named(words, place):
    with pytest.raises(OptimizerError) as refused:
        said(words)
    assert refused.value.refusal.where.startswith(f"preprocessing.{place}") and "scale" in refused.value.refusal.mend


def test_a_grey_row_can_lose_its_channel_axis():
    assert Preprocessing(layout="nhw", scale="none")(np.zeros((2, 1, 4, 5), np.float32)).shape == (2, 4, 5)
    assert said('{"layout": "nhw"}') == {"layout": "nhw"}
