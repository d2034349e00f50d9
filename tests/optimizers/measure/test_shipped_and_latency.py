"""The file that ships is what is measured."""

import numpy as np

from optimizers.measure import latency
from optimizers.measure.shipped import Shipped, fused_operators
from optimizers.measure.yardstick import shipped


def test_answers_do_not_depend_on_the_batch(trained, digits):
    file = Shipped(trained)
    x = digits.test.x[:70]
    np.testing.assert_allclose(file.predict(x, batch=64), file.predict(x, batch=7), rtol=1e-4, atol=1e-5)
    assert file.predict(x[:0]).shape[0] == 0
    assert file.bytes == len(trained.serialize())


def test_folding_and_slimming_change_no_answer(trained, digits):
    x = digits.test.x[:50]
    file = shipped(trained)
    np.testing.assert_allclose(file.predict(x), Shipped(trained).predict(x), rtol=1e-3, atol=1e-4)
    assert "BatchNormalization" not in fused_operators(file.content)
    assert file.bytes <= len(trained.serialize())


def test_a_race_times_both_in_turns(trained, digits):
    file = Shipped(trained)
    race = latency.race({"baseline": file, "this": Shipped(trained)}, digits.test.x, repeats=15, seconds=0.5)
    assert len(race.samples["baseline"]) == len(race.samples["this"]) == 15
    median, speedup = race.median("this"), race.speedup("this", "baseline")
    assert 0 < median.low <= median.value <= median.high
    assert 0.5 < speedup.value < 2, "the same file against itself"
    assert "batch 1, 1 thread" in median.how and "processor time" in median.how


def test_a_fixed_batch_is_fed_whole(trained, digits):
    import onnx

    proto = onnx.ModelProto()
    proto.CopyFrom(trained.proto)
    for value in (*proto.graph.input, *proto.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 8
    del proto.graph.value_info[:]
    fixed = Shipped(trained.with_(proto=proto))
    assert fixed.fixed_batch == 8
    np.testing.assert_allclose(fixed.predict(digits.test.x[:11]), Shipped(trained).predict(digits.test.x[:11]), rtol=1e-4, atol=1e-5)


def test_a_network_that_takes_bytes_is_fed_bytes(trained, digits):
    import onnx
    from onnx import helper

    from optimizers.models import graph
    from optimizers.models.preprocessing import Preprocessing

    proto = onnx.ModelProto()
    proto.CopyFrom(trained.proto)
    entry = proto.graph.input[0]
    for node in proto.graph.node:
        node.input[:] = ["scaled" if name == entry.name else name for name in node.input]
    entry.type.tensor_type.elem_type = onnx.TensorProto.UINT8
    proto.graph.initializer.append(helper.make_tensor("per-level", onnx.TensorProto.FLOAT, [], [1 / 255]))
    proto.graph.node.insert(0, helper.make_node("Mul", ["as-float", "per-level"], ["scaled"]))
    proto.graph.node.insert(0, helper.make_node("Cast", [entry.name], ["as-float"], to=onnx.TensorProto.FLOAT))
    taking = trained.with_(proto=proto, preprocessing=Preprocessing(**trained.preprocessing.model_dump() | {"scale": "none"}))
    x = digits.test.x[:9]
    np.testing.assert_allclose(Shipped(taking).predict(x), Shipped(trained).predict(x), rtol=1e-3, atol=1e-3)
    assert len(graph.run(proto, taking.feed(x))[0]) == 9


def test_rows_a_second_are_the_batch_by_the_median_and_the_interval_turns_round():
    race = latency.Race({"this": np.array([2.0, 1.0, 4.0, 2.0, 2.0, 2.0, 2.0, 1.0, 4.0])}, 1000, 1, {"this": "C"})
    found = race.throughput("this")
    assert (found.value, found.unit) == (500_000, "rows/s")
    assert found.low is not None and found.high is not None and found.low <= found.value <= found.high
    assert found.how.endswith("C") and set(latency.batches((14,))) == {1, 64, 1000} and set(latency.batches((1, 8, 8))) == {1, 64}
