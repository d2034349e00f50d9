"""Whole fits of networks that carry state: a small one, and the shared voice-activity model, whose figures its source tells."""

import json
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml

from optimizers.cli import main
from optimizers.data.split import TEST, TRAIN, in_stretches
from optimizers.measure import fidelity
from optimizers.measure.shipped import Shipped
from optimizers.models.load import load_model
from tests.optimizers.stateful import expected, forgetful

ROWS = np.random.default_rng(3).normal(0, 0.1, (200, 4)).astype(np.float32)


def fit(home, model, *steps, words=()):
    (home / "recipe.yaml").write_text(yaml.safe_dump({"steps": list(steps)}))
    assert main(["run", str(home / "recipe.yaml"), "--model", str(model), "--data", str(home / "rows.npz"), "--device", "this-server",
                 *words, "--out", str(home / "out"), "--json"]) == 0
    whole = json.loads((home / "out" / "report.json").read_text())["candidates"]
    return whole[0], whole[-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("state")
    onnx.save(forgetful(), home / "net.onnx")
    np.savez(home / "rows.npz", x=ROWS)
    return home


@pytest.fixture(scope="module")
def found(home):
    return fit(home, home / "net.onnx", {"technique": "quantize-static"})


def test_fidelity_is_measured_along_the_sequence(found):
    first, last = found
    assert first["measurements"]["agreement"]["n"] == 30 and last["measurements"]["agreement"]["value"] >= 0.9
    assert any("one stretch" in note for note in first["notes"])
    assert [row["name"] for row in last["fidelity"] if row["place"] == "output"] == ["y"], "the state is no answer"


def test_the_recipe_replays_with_what_was_bound_and_carried(home, found, capsys):
    folder = next(path for path in (home / "out").iterdir() if path.name.startswith("int8"))
    told = yaml.safe_load((folder / "recipe.yaml").read_text())["preprocessing"]
    assert told["constants"] == {"mode": 3} and told["carried"] == {"h": "h_next"}
    assert main(["run", str(folder / "recipe.yaml"), "--model", str(home / "net.onnx"), "--data", str(home / "rows.npz"),
                 "--out", str(home / "again")]) == 0
    assert "It agrees." in capsys.readouterr().out


def test_the_bundle_runs_as_its_page_says(home, found, tmp_path):
    folder = next(path for path in (home / "out").iterdir() if path.name.startswith("baseline"))
    page = (folder / "README.md").read_text()
    assert "`mode` is fixed to 3" in page
    code = page.split("```python\n")[1].split("```")[0]
    check = ("\nx = np.load('rows.npy')\nfirst, state = listen(prepare(x[:7]))\nrest, _ = listen(prepare(x[7:]), state)\n"
             "np.save('y.npy', np.concatenate([first['y'], rest['y']]))\n")
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    np.save(tmp_path / "rows.npy", ROWS)
    subprocess.run([sys.executable, "-c", code + check], cwd=tmp_path, check=True, capture_output=True)
    assert np.allclose(np.load(tmp_path / "y.npy"), expected(ROWS), atol=1e-5)


def test_splits_of_a_sequence_are_stretches():
    whole = in_stretches(20)
    assert [whole.rows(name).tolist() for name in ("validation", "test")] == [[14, 15, 16], [17, 18, 19]]
    declared = np.array([TRAIN] * 10 + [TEST] * 4, np.int8)
    assert in_stretches(14, declared).rows("validation").tolist() == [8, 9]
    many = in_stretches(900, np.array([TRAIN] * 100 + [TEST] * 800, np.int8))
    assert many.rows("validation").tolist() == list(range(100, 500)) and many.rows("test").tolist() == list(range(500, 900))


def test_a_probability_decides_at_a_half():
    before, after = np.array([[0.4], [0.6], [0.5]], np.float32), np.array([[0.45], [0.3], [0.5]], np.float32)
    assert fidelity.score_places([before]) == () and fidelity.score_places([before], probable=(0,)) == (0,)
    assert fidelity.compare([before], [after], (0,)).values("agreement").tolist() == [1.0, 0.0, 1.0]


def frames(sound: Path) -> np.ndarray:
    """(1875, 576): each 512 new samples of the test recording behind the 64 before them."""
    with wave.open(str(sound)) as file:
        whole = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768
    padded = np.concatenate([np.zeros(64, np.float32), whole])
    return np.stack([padded[at:at + 576] for at in range(0, len(whole) - 511, 512)])


def test_the_voice_activity_model_answers_as_its_source_says_and_is_compressed(shared_data, tmp_path):
    home = shared_data / "models/silero-vad"
    model, x = home / "silero_vad_16k_op15.onnx", frames(home / "test.wav")
    network = load_model(model, None, {"preprocessing": {"scale": "none", "constants": {"sr": 16000}}, "row": (576,)})
    assert not {"If", "Loop", "Scan"} & {node.op_type for node in network.proto.graph.node}
    voice = Shipped(network).answers(x)[0]
    assert (voice > 0.5).sum() == 1452 and voice.mean() == pytest.approx(0.7783, abs=5e-5)
    np.savez(tmp_path / "rows.npz", x=x)
    first, last = fit(tmp_path, model, {"technique": "quantize-weights", "params": {"bits": 8, "others": "stored"}},
                      words=["--preprocessing", "constants=sr=16000"])
    assert last["measurements"]["agreement"]["value"] >= 0.98 and last["measurements"]["sqnr_db"]["value"] > 30
    assert first["measurements"]["size_kib"]["value"] > 3.5 * last["measurements"]["size_kib"]["value"]
