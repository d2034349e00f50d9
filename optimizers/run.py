"""The one loop: measure the baseline, follow each recipe, keep what was found at once, and choose at the end by validation."""

from __future__ import annotations

import hashlib
import json
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optimizers import events
from optimizers.candidate import BiasVariance, Candidate, Outcome
from optimizers.errors import OptimizerError, Stopped
from optimizers.inputs import load_data, load_network
from optimizers.measure.yardstick import Figures, Yardstick, shipped
from optimizers.measurement import Measurement
from optimizers.recipe import Recipe
from optimizers.search import estimate, gate, planner, verdict
from optimizers.search.plan_board import PROBE, Board
from optimizers.technique import WORDS

if TYPE_CHECKING:
    from optimizers.context import Context
    from optimizers.measure.shipped import Shipped
    from optimizers.models.network import Network
    from optimizers.task import Task

SHARE_LEFT = 0.6        # of the time left that one training may take while other recipes wait: what it made must still be quantized
FIT = "Wall time of the recipe's steps on this server; what an earlier candidate of the job had made already is not counted again"
EXPLAINED, SHARE_EXPLAINED = 5.0, 0.02      # seconds, and share of the whole job, that say what one candidate looks at
LEAST_LEFT = 0.5        # share of the expected seconds that must be left for a recipe to begin


def run(task: Task, folder: Path, ctx: Context) -> events.Done:
    """Do a fit task. Every kept candidate is emitted as soon as it is measured; a stop or the deadline ends with what there is.

    Raises OptimizerError when not even the baseline could be measured.
    """
    return Run(task, folder, ctx).go()


class Run:
    def __init__(self, task: Task, folder: Path, ctx: Context) -> None:
        self.task, self.folder, self.ctx = task, folder, ctx
        ctx.device, ctx.metric = task.device, task.goal.metric
        self.networks: dict[str, tuple[Network, tuple[Outcome, ...], Recipe]] = {}      # recipe prefix -> what came of it
        self.kept: list[Candidate] = []
        self.likely: set[str] = set()
        self.latest: tuple[Network, Shipped] | None = None
        self.failed: list[OptimizerError] = []
        self.ours: Exception | None = None          # the first fault that is no user's

    def go(self) -> events.Done:
        try:
            self.prepare()
            self.baseline()
            self.follow_all()
        except Stopped:
            self.ctx.log("Stopped as asked; what was found is kept.", "run", "warning")
            self.board.skip_rest("Stopped before its turn.")
        if not self.kept and self.failed:
            raise self.ours or self.failed[0]
        return self.choose()

    def prepare(self) -> None:
        """Read the dataset, plan, and read the model."""
        self.board = Board(self.ctx)
        self.portfolio = self.plan()
        original = self.key(Recipe((), self.task.seed)) if self.task.model is not None else None
        rows = self.portfolio.planned
        self.quick = next((number for number, row in enumerate(rows) if planner.trains(row.recipe)), len(rows))
        probe = (self.quick, self.probe_seconds()) if self.probes() else None
        self.board.lay(original, [(self.key(row.recipe), row) for row in rows], probe)
        self.data = load_data(self.task, self.folder, self.ctx)
        self.yardstick = Yardstick(self.data, self.task.device, self.task.goal, self.task.seed, explain_seconds=self.explain_seconds())
        self.recall()
        self.model = load_network(self.task, self.folder, self.data, self.ctx) if self.task.model else None

    def explain_seconds(self) -> float:
        """For each candidate of a table: little beside the time the whole job has."""
        minutes = self.task.budget.minutes
        return EXPLAINED if minutes is None else min(EXPLAINED, SHARE_EXPLAINED * 60 * minutes)

    def plan(self) -> planner.Portfolio:
        """The given recipe, or the planner's portfolio."""
        task = self.task
        if task.device is None:
            raise OptimizerError("There is no device to fit.", "task.device", "Name one of the catalogue.", "no-device")
        if task.recipe is not None:
            recipe = Recipe.load({"seed": task.seed} | task.recipe)
            seconds = estimate.seconds(recipe, task.model_card, task.dataset_card, set())
            return planner.Portfolio((planner.Planned(recipe, seconds, None, "maybe", "It was asked for."),), ())
        found = planner.plan(task.model_card, task.dataset_card, task.device, task.goal, task.budget, task.seed,
                             task.sensitivity)
        for row in found.left_out:
            self.ctx.log(f"Not tried: {row.title}. {row.refusal.wrong}", "plan")
        if not found.planned:
            raise OptimizerError.of(found.left_out[0].refusal) if found.left_out else OptimizerError("There is nothing to try.")
        return found

    def baseline(self) -> None:
        """The uploaded network as it is; without one, the first that gets trained takes its place."""
        if self.model is None:
            return
        recipe = Recipe((), self.task.seed)
        with self.board.step(self.key(recipe), "baseline"):
            self.ctx.report(0.1, "measuring the original")
            self.keep(recipe, self.model.with_(sensitivity=self.task.sensitivity), (), recipe)

    def probes(self) -> bool:
        """Whether every layer is to be looked at, which an earlier job has not done already."""
        return self.task.budget.sensitivity and self.task.model is not None and not self.task.sensitivity

    def probe_seconds(self) -> float:
        card = self.task.model_card
        layers, macs = (len(card.layers), card.macs or 1e7) if card else (10, 1e7)
        return 6 * layers * (0.2 + 1000 * macs / 2.5e10)

    def probe(self) -> None:
        """Look at every layer, and write what was found beside the original."""
        original = next((row for row in self.kept if row.baseline), None)
        if not self.probes() or original is None or original.sensitivity or self.model is None or self.model.state != "float":
            return
        left = self.ctx.remaining()
        if left is not None and left < self.probe_seconds():
            self.board.set(PROBE, "skipped", note="Too little time is left; give the job more minutes.")
            return
        with self.board.step(PROBE, "Look at every layer"):
            from optimizers.export import bundle
            from optimizers.measure.probe import probe

            known = original.model_copy(update={"sensitivity": probe(self.model, self.data, self.ctx), "files": ()})
            written = bundle.write(known, self.yardstick.baseline, Recipe((), self.task.seed), self.task, self.data, self.folder)
            self.kept[self.kept.index(original)] = written
            self.remember()
            self.ctx.emit(events.Kept(candidate=written))

    def follow_all(self) -> None:
        """The plan in order; then what was left out for time, as far as there is some after all."""
        start = time.monotonic()
        if len(self.portfolio.planned) > 1:
            self.ctx.training_share = SHARE_LEFT
        self.follow_rows(self.portfolio.planned[:self.quick])
        self.probe()
        self.follow_rows(self.portfolio.planned[self.quick:])
        pace = (time.monotonic() - start) / max(1.0, sum(row.seconds for row in self.portfolio.planned))
        for row in self.portfolio.later:
            left = self.ctx.remaining()
            if left is not None and row.seconds * pace < left:
                self.board.add(self.key(row.recipe), row._replace(seconds=row.seconds * pace))
                self.follow_rows((row._replace(seconds=row.seconds * pace),))

    def follow_rows(self, rows: tuple[planner.Planned, ...]) -> None:
        for row in rows:
            key = self.key(row.recipe)
            if key in self.task.done:
                self.board.set(key, "done", note="Kept by an earlier attempt.")
                self.again(row.recipe)
            elif self.late(row):
                self.board.set(key, "skipped", note=f"It would take about {planner.spell(row.seconds)}, and time is up.")
            else:
                self.follow(row.recipe, key)

    def again(self, recipe: Recipe) -> None:
        """A resumed run without a model needs its first network measured again, or there is nothing to compare with."""
        if self.yardstick.baseline is None:
            self.yardstick.measure(shipped(self.apply(recipe)[0]))

    def late(self, row: planner.Planned) -> bool:
        left = self.ctx.remaining()
        return self.task.recipe is None and left is not None and bool(self.kept) and left < max(3.0, LEAST_LEFT * row.seconds)

    def follow(self, recipe: Recipe, key: str) -> None:
        """One recipe to its candidate. What goes wrong is told, and the others go on."""
        try:
            with self.board.step(key, recipe.title()):
                with self.ctx.part(0, 0.2 if self.task.budget.study else 1):
                    network, steps, done = self.apply(recipe)
                studied = self.study(recipe)
                self.ctx.report(0.92, "measuring the file that ships")
                self.keep(recipe, network, steps, done, studied)
        except OptimizerError as error:
            self.failed.append(error)
            self.ctx.log(f"{recipe.title()}: {error}", "run", "error")
        except Stopped:
            raise
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            self.ours = self.ours or error
            self.failed.append(OptimizerError(f"{recipe.title()} broke down: {type(error).__name__}.", key, "The others were not affected.",
                                              "technique-failed"))
            self.ctx.log(f"{recipe.title()} broke down: {type(error).__name__}: {str(error)[:300]}", "run", "error")

    def apply(self, recipe: Recipe) -> tuple[Network, tuple[Outcome, ...], Recipe]:
        """The network after all steps, each prefix of the recipe worked out once in a run; and the recipe as it was really followed:
        a training that ran out of time is written with the epochs it had.
        """
        network, steps, prefix, done = self.model, (), str(recipe.seed), Recipe((), recipe.seed)
        base, span, self.ctx.original = self.ctx.base, self.ctx.span, self.model
        for number, technique in enumerate(recipe.steps):
            self.ctx.original = self.ctx.original or network
            prefix += json.dumps(technique.dump(), sort_keys=True)
            if prefix in self.networks:
                network, steps, done = self.networks[prefix]
                continue
            self.ctx.base, self.ctx.span = base + 0.9 * span * number / len(recipe.steps), 0.9 * span / len(recipe.steps)
            self.ctx.report(0.0, technique.label())
            start, self.ctx.epochs, self.ctx.followed = time.monotonic(), None, None
            network = technique.apply(network, self.data, self.ctx)
            technique = self.ctx.followed or technique
            if self.ctx.epochs is not None:
                technique = type(technique)(**{**technique.model_dump(), "epochs": self.ctx.epochs})
            done = Recipe((*done.steps, technique), recipe.seed)
            steps = (*steps, self.outcome(technique, network, time.monotonic() - start))
            self.networks[prefix] = network, steps, done
        self.ctx.base, self.ctx.span = base, span
        return network, steps, done

    def study(self, recipe: Recipe) -> BiasVariance | None:
        """Bias and variance of an estimator's way of learning, where that was asked for; within its share of the time left."""
        from optimizers.ensembles.estimating import Estimating

        if not self.task.budget.study or len(recipe.steps) != 1 or not isinstance(recipe.steps[0], Estimating):
            return None
        from optimizers.ensembles.study import study

        left = self.ctx.remaining()
        with self.ctx.part(0.2, 0.9):
            return study(recipe.steps[0], self.data, self.ctx, None if left is None else left / (1 + self.board.waiting))

    def outcome(self, technique: Any, network: Network, seconds: float) -> Outcome:
        """What one step cost and bought: size and validation quality of the file as it would ship now."""
        file = self.file_of(network)
        quality = self.yardstick.validation(file)
        self.ctx.log(f"{technique.label()}: {100 * quality:.1f} on validation, {file.bytes / 1024:.1f} KiB, "
                     f"{file.transfer.size / 1024:.1f} to download, {seconds:.1f} s",
                     technique.name)
        return Outcome(technique=technique.name, title=technique.label(), seconds=seconds, size_kib=file.bytes / 1024, quality=quality,
                       download_kib=file.transfer.size / 1024)

    def file_of(self, network: Network) -> Shipped:
        """The network as it would leave; of the last one asked for it is kept, as a step's outcome and the candidate are often the same."""
        if self.latest is None or self.latest[0] is not network:
            self.latest = network, shipped(network)
        return self.latest[1]

    def keep(self, recipe: Recipe, network: Network, steps: tuple[Outcome, ...], done: Recipe, studied: BiasVariance | None = None) -> None:
        """Measure, write, emit: from here on nothing can take this candidate away. done: the recipe as it was really followed."""
        from optimizers.export import bundle
        from optimizers.measure.left_alone import left_alone

        file, first = self.file_of(network), self.yardstick.baseline is None
        figures = self.yardstick.measure(file)
        whole = self.candidate(recipe, network, figures, steps, first).model_copy(update={"recipe": done.dump(), "study": studied})
        if not first:
            in_float, shaped = left_alone(self.yardstick.baseline.network.proto, file.network.proto)
            whole = whole.model_copy(update={"in_float": in_float, "whole": shaped})
        candidate = bundle.write(whole, file, done, self.task, self.data, self.folder)
        if candidate.key not in {row.key for row in self.kept}:
            self.kept.append(candidate)
            self.likely |= {candidate.key} if figures.likely else set()
            self.remember()
        if candidate.key not in self.task.done:
            self.ctx.emit(events.Kept(candidate=candidate))
        self.tell(candidate)

    def candidate(self, recipe: Recipe, network: Network, figures: Figures, steps: tuple[Outcome, ...], first: bool) -> Candidate:
        title = recipe.title() if recipe.steps else f"baseline {WORDS[network.state]}"
        start = Outcome(technique="baseline", title="baseline", seconds=0.0, quality=self.yardstick.scores["validation"],
                        size_kib=self.yardstick.baseline.bytes / 1024, download_kib=self.yardstick.baseline.transfer.size / 1024)
        spent = sum(step.seconds for step in steps)
        took = {"fit_seconds": Measurement(value=spent, unit="s", origin="measured", how=FIT)} if steps else {}
        return Candidate(
            key=self.key(recipe), title=title[:200], recipe=recipe.dump(), baseline=first, measurements=figures.measurements | took,
            change=figures.change, validation=figures.validation, fits=figures.fits, broke=figures.broke,
            floor_held_on_test=figures.floor_held_on_test, steps=((start, *steps) if self.model is not None else steps),
            classes=figures.classes, class_names=self.data.classes, confusion=figures.confusion, sensitivity=network.sensitivity,
            fidelity=figures.fidelity, importance=figures.importance, dependence=figures.dependence, scores=figures.scores,
            residuals=figures.residuals, notes=network.notes + figures.notes)

    def tell(self, candidate: Candidate) -> None:
        """The log's line on a candidate."""
        change, size = candidate.change, candidate.measurements["size_kib"].value
        moved = f", {change.value:+.1f} [{change.low:+.1f}, {change.high:+.1f}] points" if change else ""
        broke = "fits" if candidate.fits else "breaks " + ", ".join(breach.sentence for breach in candidate.broke)
        quality = 100 * candidate.measurements[self.task.goal.metric].value
        self.ctx.log(f"{candidate.title}: {quality:.1f}{moved}, {size:.1f} KiB; {broke}", "measure")

    def remember(self) -> None:
        """So that a later attempt can choose among all."""
        content = json.dumps({"likely": sorted(self.likely), "kept": [row.model_dump(mode="json") for row in self.kept]})
        self.ctx.checkpoint("candidates", lambda path: path.write_text(content), count=len(self.kept))

    def recall(self) -> None:
        """Candidates that an earlier attempt kept, if its note came along."""
        if self.task.done and (found := self.ctx.resume("candidates")):
            table = json.loads(found[0].read_text())
            self.kept = [row for row in map(Candidate.model_validate, table["kept"]) if row.key in self.task.done]
            self.likely = set(table["likely"])

    def key(self, recipe: Recipe) -> str:
        """Short hash of the recipe and its inputs."""
        device = self.task.device.model_dump_json() if self.task.device else ""
        inputs = [recipe.dump()["steps"], recipe.seed, self.task.model_sha256, self.task.dataset_sha256, device]
        if fed := self.task.model_options.get("preprocessing"):
            inputs.append(fed)
        whole = json.dumps(inputs, sort_keys=True)
        return hashlib.sha256(whole.encode()).hexdigest()[:12]

    def choose(self) -> events.Done:
        """Among those that fit, by validation; the test split has no say."""
        rows, metric = len(self.data.validation), self.task.goal.metric
        chosen, why = verdict.recommend(self.kept, self.likely, rows, self.task.goal.max_drop if self.task.model is None else None)
        baseline = next((row for row in self.kept if row.baseline), None)
        front = verdict.frontier(self.kept)
        summary: dict[str, Any] = {
            "tried": len([row for row in self.kept if not row.baseline]), "fits": sum(row.fits and not row.baseline for row in self.kept),
            "failed": len(self.failed), "rule": why, "seconds": time.monotonic() - self.ctx.started}
        if chosen is not None:
            quality = chosen.measurements[metric].value
            summary |= {"title": chosen.title, "size_kib": verdict.size(chosen), "quality": quality}
            if baseline is not None:
                summary["times_smaller"] = verdict.size(baseline) / verdict.size(chosen)
            if chosen.change is not None:
                summary["change"] = chosen.change.model_dump()
            if "speedup" in chosen.measurements:
                summary["speedup"] = chosen.measurements["speedup"].value
        floor = gate.drop(self.task.goal, baseline.measurements[metric].value) if baseline is not None else None
        done = events.Done(recommended=chosen.key if chosen else None, front=front, summary=summary,
                           verdict=verdict.sentence(self.kept, chosen, baseline, floor, rows))
        self.ctx.emit(done)
        return done
