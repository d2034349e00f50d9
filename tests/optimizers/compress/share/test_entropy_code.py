"""The download as an axis of its own: coded at the end of a recipe, in the bundle with its decoder, never larger than DEFLATE."""

import hashlib
import subprocess
import sys
import zlib

import pytest

from optimizers.coding.transfer import NO_GAIN, transfer
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.compress.share.cluster_weights import WeightClustering
from optimizers.compress.share.entropy_code import EntropyCoding
from optimizers.device import catalogue
from optimizers.export import bundle
from optimizers.goal import Goal, Limits
from optimizers.measure.yardstick import Yardstick, shipped
from optimizers.recipe import Recipe
from optimizers.task import Task


@pytest.fixture(scope="module")
def coded(trained, digits, tmp_path_factory):
    from optimizers.context import Context

    ctx = Context(tmp_path_factory.mktemp("coded"))
    return EntropyCoding().apply(WeightClustering(epochs=0, bits=4).apply(trained, digits, ctx), digits, ctx)


def test_only_the_way_changes(trained, digits, context):
    made = EntropyCoding().apply(trained, digits, context)
    assert made.proto is trained.proto and made.coded and not trained.coded
    assert shipped(made).content == shipped(trained).content


def test_it_weighs_less_than_deflate_and_never_more(coded, trained, digits, context):
    packed, plain = (len(zlib.compress(shipped(network).content, 9)) for network in (coded, coded.with_(shared=False)))
    sent = shipped(coded).transfer
    assert sent.size == len(sent.content) < packed < 0.85 * plain and "model.esp" in sent.how
    quantized = StaticQuantization(rows=32).apply(trained, digits, context)
    for one in (trained, quantized, coded):
        content = shipped(one).content
        assert transfer(content, True).size <= transfer(content, False).size == len(zlib.compress(content, 9))


def test_where_it_gains_nothing_the_model_travels_as_it_is():
    from onnx import TensorProto, helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 4]) for name in "xy")
    content = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])).SerializeToString()
    assert transfer(content, True).content is None and "DEFLATE" in transfer(content, True).how


def test_the_budget_holds_what_travels(coded, trained, digits):
    limit = shipped(coded).transfer.size / 1024
    yardstick = Yardstick(digits, catalogue()["this-server"], Goal(max_drop=0.5, limits=Limits(download_kib=limit)))
    first, second = yardstick.measure(shipped(trained)), yardstick.measure(shipped(coded))
    assert first.broke[0].limit == "download_kib" and first.broke[0].sentence.startswith("download by ") and second.fits
    assert second.measurements["download_kib"].origin == "measured" and second.measurements["download_kib"].unit == "KiB"
    assert NO_GAIN not in second.notes


def test_the_bundle_gives_the_model_back(coded, digits, tmp_path):
    """model.esp and decode.py as they lie there, in a Python that sees nothing of ours."""
    yardstick = Yardstick(digits, None, Goal())
    file, recipe = shipped(coded), Recipe((WeightClustering(epochs=0, bits=4), EntropyCoding()))
    figures = yardstick.measure(file)
    from optimizers.candidate import Candidate

    whole = Candidate(key="k", title=recipe.title(), recipe=recipe.dump(), measurements=figures.measurements, fits=True)
    task = Task(kind="fit", dataset="digits.npz")
    made = {one.role: one for one in bundle.write(whole, file, recipe, task, digits, tmp_path).files}
    assert [made[role].name for role in ("model", "transfer", "decoder")] == ["model.onnx", "model.esp", "decode.py"]
    assert made["transfer"].bytes / 1024 == figures.measurements["download_kib"].value
    home = tmp_path / "out" / "k"
    model = (home / "model.onnx").read_bytes()
    (home / "model.onnx").unlink()
    page = (home / "README.md").read_text()
    line = next(line for line in page.splitlines() if line.startswith("    python decode.py"))
    subprocess.run([sys.executable, "-I", "-S", *line.split()[1:]], cwd=home, check=True, capture_output=True)
    assert (home / "model.onnx").read_bytes() == model and hashlib.sha256(model).hexdigest() in page


def test_it_comes_last():
    recipe = Recipe((EntropyCoding(), WeightClustering()))
    from optimizers.cards import DatasetCard, ModelCard

    model = ModelCard(kind="onnx", family="network", title="", task="classification", classes=2)
    data = DatasetCard(kind="array", title="", task="classification", rows=10, classes=("a", "b"))
    refusal = recipe.refuse(model, data, catalogue()["this-server"])
    assert refusal.code == "recipe-order" and refusal.where == "step 1, entropy-code" and "at the end" in refusal.mend
    for first in (WeightClustering(), StaticQuantization()):
        assert Recipe((first, EntropyCoding())).refuse(model, data, catalogue()["this-server"]) is None
    assert Recipe((StaticQuantization(), EntropyCoding())).gives() == "quantized"
    assert EntropyCoding().refuse(model, None, catalogue()["stm32h743"]) is None
