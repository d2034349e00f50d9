"""THE list: name -> technique. Form, API schema, docs table, planner space and contract test derive from it."""

from optimizers.compress.binarize.binarize import Binarization
from optimizers.compress.factorize.compact_filters import CompactFilters
from optimizers.compress.factorize.low_rank import LowRank
from optimizers.compress.graph.simplify import Simplification
from optimizers.compress.graph.swap_activations import ActivationSwap
from optimizers.compress.prune.blocks import BlockPruning
from optimizers.compress.prune.channels import ChannelPruning
from optimizers.compress.prune.heads import HeadPruning
from optimizers.compress.prune.sparsify import Sparsifying
from optimizers.compress.prune.weights import WeightPruning
from optimizers.compress.quantize.aware import QuantizationAwareTraining
from optimizers.compress.quantize.dynamic import DynamicQuantization
from optimizers.compress.quantize.equalize import CrossLayerEqualization
from optimizers.compress.quantize.half_precision import HalfPrecision
from optimizers.compress.quantize.mixed_precision import MixedPrecision
from optimizers.compress.quantize.static import StaticQuantization
from optimizers.compress.quantize.weights import WeightQuantization
from optimizers.compress.share.cluster_weights import WeightClustering
from optimizers.compress.share.entropy_code import EntropyCoding
from optimizers.ensembles.adaboost import AdaBoosting
from optimizers.ensembles.bag import Bagging
from optimizers.ensembles.base import BaseModel
from optimizers.ensembles.boost import Boosting
from optimizers.ensembles.compile_trees import TreeCompilation
from optimizers.ensembles.forest import Forest
from optimizers.ensembles.selection import Selection
from optimizers.ensembles.stack import Stacking
from optimizers.ensembles.tune import Tuning
from optimizers.ensembles.vote import Voting
from optimizers.technique import Technique
from optimizers.training.distill import Distillation
from optimizers.training.fine_tune import FineTuning
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
        BaseModel,
        Boosting,
        AdaBoosting,
        Forest,
        Bagging,
        Voting,
        Stacking,
        Selection,
        Tuning,
        TreeCompilation,
    )
}
