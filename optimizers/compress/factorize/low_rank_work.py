"""Low rank at work: look at what layers answer, choose ranks, split, fit one layer after another, write the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import fx, nn

from optimizers.candidate import Sensitivity
from optimizers.compress.factorize import layerwise
from optimizers.compress.factorize.chain import written
from optimizers.compress.factorize.layerwise import Site
from optimizers.compress.factorize.low_rank_budget import Point, spend
from optimizers.compress.factorize.low_rank_forms import FORMS, Form
from optimizers.compress.factorize.low_rank_seen import Unit, observe, units_of
from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.measure import sensitivity
from optimizers.models.graph import constants
from optimizers.models.graph_facts import analyse
from optimizers.models.network import Network
from optimizers.models.prove import prove
from optimizers.models.rewrite import Part, replaced, with_tensors
from optimizers.training.where import use_threads

if TYPE_CHECKING:
    import onnx

    from optimizers.compress.factorize.low_rank import LowRank

GLANCED = 256           # rows a unit is fitted on while it is probed alone
TRUST = 8.0             # how far from the usual one probe may move what a layer counts


def factorize(network: Network, data: Dataset, settings: LowRank, ctx: Context) -> Network:
    """The network with thinner layers. Raises OptimizerError where no layer can have factors that pay."""
    use_threads(ctx.threads)
    module = network.to_torch()
    example = torch.from_numpy(network.feed(data.calibration(2, ctx.seed)))
    sites, left = layerwise.find(network, module, example, settings.keep)
    units = [unit for unit in units_of(sites) if form_name(unit, settings)]
    x = layerwise.rows_of(network, data, sites, settings.rows, ctx.seed)
    if settings.by == "outputs":
        ctx.report(0.02, f"looking at the outputs of {len(sites)} layers on {len(x):,} rows")
        observe(module, x, units)
    forms: list[Form] = []
    for number, unit in enumerate(units):
        ctx.report(0.1 + 0.2 * number / len(units), f"{unit.name} at each rank")
        forms.append(FORMS[form_name(unit, settings)](unit, settings, ctx.seed))
    if not any(form.points for form in forms):
        raise OptimizerError("No layer of this network has factors with fewer multiply-accumulates and weights than itself.", "model",
                             "Use 'prune-channels', or quantize instead.", "nothing-to-split")
    points, rows = choose(network, data, module, x, forms, settings, ctx)
    chosen = {form.unit: form.chains(point.ranks) for form, point in zip(forms, points, strict=True) if point is not None}
    put(module, x, chosen, settings.by == "outputs", ctx)
    made = network.with_(proto=rewritten(network, chosen), sensitivity=network.sensitivity + rows)
    prove(made, module, example)
    return made.noting(*told(network, made, forms, points, left, settings))


def form_name(unit: Unit, settings: LowRank) -> str:
    """The form a unit is split into; empty for one that is left whole."""
    kernel = unit.sites[0].layer.kernel
    if unit.kind == "ConvTranspose" or int(np.prod(kernel)) == 1:
        return "svd" if unit.kind != "ConvTranspose" else ""
    fits = {"tucker": len(kernel) < 4, "cp": len(kernel) < 3, "spatial": len(kernel) == 2 and min(kernel) > 1}
    return settings.convolutions if fits.get(settings.convolutions) else ""


def choose(network: Network, data: Dataset, module: fx.GraphModule, x: torch.Tensor, forms: Sequence[Form], settings: LowRank,
           ctx: Context) -> tuple[list[Point | None], tuple[Sensitivity, ...]]:
    """A point for each unit (None: left whole), and what was measured on the way."""
    if settings.rank == "energy":
        most = 1 - settings.energy + 1e-9
        return [min((point for point in form.points if point.lost <= most), key=lambda point: point.macs, default=None)
                for form in forms], ()
    wholes, weights = [form.unit.macs for form in forms], [float(len(form.unit.sites)) for form in forms]
    rows: tuple[Sensitivity, ...] = ()
    if settings.rank == "sensitivity":
        rows, weights = measured(network, data, module, x, forms, settings.by == "outputs", ctx)
    total = analyse(network.proto).macs or sum(wholes)
    return spend([form.points for form in forms], wholes, weights, settings.share * total), rows


def measured(network: Network, data: Dataset, module: fx.GraphModule, x: torch.Tensor, forms: Sequence[Form], fitting: bool,
             ctx: Context) -> tuple[tuple[Sensitivity, ...], list[float]]:
    """Each unit alone at about half of its work: what it costs on validation, and how much the outputs move for what it costs in energy."""
    halves = {form.unit.name: (form, min(form.points, key=lambda point: abs(point.macs - form.unit.macs / 2)))
              for form in forms if form.points}

    def treat(name: str) -> Network:
        form, point = halves[name]
        chosen = {form.unit: form.chains(point.ranks)}
        put(module, x[:GLANCED], chosen, fitting)
        for site in form.unit.sites:
            layerwise.replace(module, site.path, site.module)
        return network.with_(proto=rewritten(network, chosen))

    rows = sensitivity.by_layer({name: form.unit.kind for name, (form, _) in halves.items()}, treat, network, data, ctx, "half rank")
    moved = {row.layer: row.error / max(halves[row.layer][1].cost, 1e-6) for row in rows}
    usual = float(np.median(list(moved.values())))          # one probe a layer is no reason to cut one to the bone, or to spare it
    return rows, [min(max(moved.get(form.unit.name, usual), usual / TRUST), usual * TRUST) for form in forms]


def put(module: fx.GraphModule, x: torch.Tensor, chosen: dict[Unit, list[nn.Sequential]], fitting: bool,
        ctx: Context | None = None) -> None:
    """The chains in their places, in place; fitting: each on the features it will see. ctx: to be told how far it is."""
    chains = {site: chain for unit, found in chosen.items() for site, chain in zip(unit.sites, found, strict=True)}
    done = 0

    def fit(site: Site, now: torch.Tensor, before: torch.Tensor) -> nn.Module:
        nonlocal done
        if ctx is not None:
            ctx.report(0.85 + 0.1 * done / len(chains), f"{site.name} fitted to its outputs")
        done += 1
        with torch.no_grad():
            features = chains[site][:-1](now)
        layerwise.refit(chains[site][-1], features, before, site.moves, 0)
        return chains[site]

    if fitting:
        layerwise.walk(module, x, list(chains), fit)
    else:
        for site, chain in chains.items():
            layerwise.replace(module, site.path, chain)


def rewritten(network: Network, chosen: dict[Unit, list[nn.Sequential]]) -> onnx.ModelProto:
    """The graph with each unit's chains in the place of its layers; the first factor of a shared pair stands once."""
    parts: dict[str, Part] = {}
    biases: dict[str, np.ndarray] = {}
    stored = constants(network.proto)
    for unit, chains in chosen.items():
        begin = None
        for site, chain in zip(unit.sites, chains, strict=True):
            part, made = written(network.proto, site.layer, chain, site.outs, begin, skip=0 if begin is None else 1)
            parts[site.name] = part
            begin = begin or made[0]
            if site.bias is not None:
                biases[site.bias] = chain[-1].get_parameter("bias").detach().numpy().reshape(stored[site.bias].shape)
    return replaced(with_tensors(network.proto, biases), parts)


def told(before: Network, after: Network, forms: Sequence[Form], points: Sequence[Point | None], left: dict[str, str],
         settings: LowRank) -> list[str]:
    """Sentences: what share went, which ranks, and what was left whole and why."""
    whole, now = analyse(before.proto), analyse(after.proto)
    sentences = []
    if whole.macs and now.macs:
        gone = 1 - now.macs / whole.macs
        sentences.append(f"Multiply-accumulates {whole.macs:,} \u2192 {now.macs:,} ({gone:.0%} removed), weights "
                         f"{whole.parameters:,} \u2192 {now.parameters:,}.")
        if settings.rank != "energy" and gone < settings.share - 0.02:
            sentences.append(f"{settings.share:.0%} were asked for; factors that pay do not save more.")
    ranks = [f"{form.unit.name} {'x'.join(map(str, point.ranks))} ({point.lost:.1%} lost)" for form, point in
             zip(forms, points, strict=True) if point is not None]
    whole_units = [form.unit.name for form, point in zip(forms, points, strict=True) if point is None]
    idle = [form.unit.name for form in forms if not form.points]
    sentences.append(f"Ranks, and the share of each layer's {settings.by} they leave out: {listed(ranks)}." if ranks
                     else "No layer was split: at this energy no factors pay.")
    if whole_units:
        sentences.append(f"Left whole: {listed([f'{name} (factors do not pay)' if name in idle else name for name in whole_units])}.")
    if left:
        sentences.append(f"Not treated: {listed([f'{name} ({why})' for name, why in left.items()])}.")
    return sentences


def listed(names: Sequence[str], most: int = 12) -> str:
    """
    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
