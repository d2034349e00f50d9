"""What a candidate left as it was is read from its file."""

import numpy as np

from optimizers.compress.prune.channels import ChannelPruning
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.measure.left_alone import left_alone
from optimizers.measure.yardstick import shipped
from optimizers.models.rewrite import weighted, with_tensors


def names(network):
    return tuple(layer.name for layer in weighted(shipped(network).network.proto))


def left(before, after):
    return left_alone(shipped(before).network.proto, shipped(after).network.proto)


def test_int8_leaves_the_first_layer_of_one_channel_in_float(trained, digits, context):
    layers = names(trained)
    in_float, whole = left(trained, StaticQuantization(rows=20).apply(trained, digits, context))
    assert in_float == layers[:1] and whole == layers
    everything, whole = left(trained, StaticQuantization(rows=20, first="int8").apply(trained, digits, context))
    assert everything == () and whole == layers
    asked, _ = left(trained, StaticQuantization(rows=20, first="int8", keep_float=layers[-1:]).apply(trained, digits, context))
    assert asked == layers[-1:]


def test_a_pruned_layer_is_in_float_and_not_whole(trained, digits, context):
    layers = names(trained)
    in_float, whole = left(trained, ChannelPruning(share=0.5, round_to=1).apply(trained, digits, context))
    assert in_float == layers and set(whole) < set(layers)


def test_training_changes_numbers_only(trained):
    proto = shipped(trained).network.proto
    layer = next(weighted(proto))
    moved = with_tensors(proto, {layer.node.input[1]: layer.weight + np.float32(1)})
    assert left_alone(proto, moved) == (names(trained), names(trained))
