"""The card of an estimator: its trees counted, its graph run once on zeros.  Runs in the cage."""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizers.cards import ModelCard, Problem
from optimizers.models import graph_facts
from optimizers.models.estimator import Estimator
from optimizers.models.trees import LEAF, Trees

MOST_NAMES = 5_000          # columns and classes on a card


def estimator_card(found: Estimator, kind: Any) -> ModelCard:
    """Raises OptimizerError when the runtime cannot run what was read."""
    from optimizers.models.audit_card import check_weights, info, opset, task_of, tried

    network = found.network()
    problems = list(check_weights(network.proto))
    facts = graph_facts.analyse(network.proto)
    outputs, ran, scores = tried(network, facts)
    task, classes = task_of(network.proto, outputs)
    if task != "other" and found.task != "other":
        task = found.task
    problems += [*ran, *(info(note, code="on-reading") for note in found.notes), *unnamed(found, info)]
    return ModelCard(
        kind=kind, family="estimator", title=found.title[:200], task=task, classes=classes, inputs=facts.inputs, outputs=outputs,
        scores=scores, parameters=facts.parameters + sum(numbers(trees) for trees in found.trees), opset=opset(network.proto),
        operators=facts.operators, trees=sum(len(trees.roots) for trees in found.trees), nodes=sum(trees.nodes for trees in found.trees),
        depths=depths(found.trees), class_names=found.classes[:MOST_NAMES], columns=found.columns[:MOST_NAMES], problems=tuple(problems))


def numbers(trees: Trees) -> int:
    """Thresholds and values at leaves: what training found."""
    inner = int((trees.feature != LEAF).sum())
    return inner + (trees.nodes - inner) * trees.outputs


def depths(parts: tuple[Trees, ...]) -> tuple[int, ...]:
    if not parts:
        return ()
    return tuple(int(count) for count in np.bincount(np.concatenate([trees.depths for trees in parts]))[:1000])


def unnamed(found: Estimator, info: Any) -> list[Problem]:
    if found.columns:
        return []
    return [info("The file does not name the columns it was trained on, so only their number can be compared with a table's.", "columns",
                 "Train on a data frame, and the names are kept.", "no-column-names")]
