"""THE list: name -> technique. Form, API schema, docs table, planner space and contract test derive from it."""

from optimizers.compress.binarize import Binarization
from optimizers.compress.cluster_weights import WeightClustering
from optimizers.compress.compact_filters import CompactFilters
from optimizers.compress.entropy_code import EntropyCoding
from optimizers.compress.equalize import CrossLayerEqualization
from optimizers.compress.half_precision import HalfPrecision
from optimizers.compress.low_rank import LowRank
from optimizers.compress.mixed_precision import MixedPrecision
from optimizers.compress.prune_blocks import BlockPruning
from optimizers.compress.prune_channels import ChannelPruning
from optimizers.compress.prune_heads import HeadPruning
from optimizers.compress.prune_weights import WeightPruning
from optimizers.compress.quantize_aware import QuantizationAwareTraining
from optimizers.compress.quantize_dynamic import DynamicQuantization
from optimizers.compress.quantize_static import StaticQuantization
from optimizers.compress.quantize_weights import WeightQuantization
from optimizers.compress.simplify import Simplification
from optimizers.compress.swap_activations import ActivationSwap
from optimizers.technique import Technique
from optimizers.training.distill import Distillation
from optimizers.training.fine_tune import FineTuning
from optimizers.training.sparsify import Sparsifying
from optimizers.training.train import Training

TECHNIQUES: dict[str, type[Technique]] = {
    technique.name: technique
    for technique in (
        Training,
        FineTuning,
        Distillation,
        ChannelPruning,
        BlockPruning,
        HeadPruning,
        WeightPruning,
        Sparsifying,
        LowRank,
        CompactFilters,
        Simplification,
        ActivationSwap,
        CrossLayerEqualization,
        StaticQuantization,
        QuantizationAwareTraining,
        MixedPrecision,
        DynamicQuantization,
        WeightQuantization,
        HalfPrecision,
        Binarization,
        WeightClustering,
        EntropyCoding,
    )
}
