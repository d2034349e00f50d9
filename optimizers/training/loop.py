"""The training loop: epochs of batches, a schedule, validation after each epoch, the best weights kept, a state to resume from.

Seeds are set anew for each epoch from (seed, epoch), so a run that was killed and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import hashlib
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from optimizers.context import Context
from optimizers.data.dataset import Dataset
from optimizers.errors import OptimizerError
from optimizers.models.modules import NORMS
from optimizers.models.network import Network
from optimizers.training.batches import Rows, augmented, order_of_epoch
from optimizers.training.callback import Callback
from optimizers.training.head import logits, standardized
from optimizers.training.optimizer import optimizer_for
from optimizers.training.schedule import share
from optimizers.training.settings import Fitting
from optimizers.training.where import use_threads, where
from optimizers.training.zeros import Zeros

EVERY = 20.0                # seconds between checkpoints
WARM = 3                    # steps that are not timed
CHECKED = (15, 75, 300)     # steps after which the pace is held against the deadline; so is the beginning of each epoch
NOTICE = 0.4                # seconds between reports


def fit(network: Network, data: Dataset, settings: Fitting, ctx: Context, callback: Callback | None = None) -> Network:
    """The network with the weights of its best epoch by validation. callback: what a technique adds to plain training.

    Raises OptimizerError where the network and the data do not fit together, Stopped when asked to stop.
    """
    if len(data.train) < 2:
        raise OptimizerError(f"The train split has {len(data.train)} rows.", "dataset", "Training needs at least two, better hundreds.",
                             "no-rows")
    use_threads(ctx.threads)
    with torch.random.fork_rng(devices=[]):
        run = Run(network, data, settings, ctx, callback or Callback())
        run.go()
    return network.with_module(run.module.cpu().eval()).noting(*run.notes)


@dataclass
class Progress:
    """All that changes from epoch to epoch; saved whole. total: steps planned, fewer once time is short."""

    epoch: int = 0
    total: int = 0
    best: float = -np.inf
    best_loss: float = np.inf
    best_epoch: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)


class Run:
    """One fitting of one network."""

    def __init__(self, network: Network, data: Dataset, settings: Fitting, ctx: Context, callback: Callback) -> None:
        self.settings, self.ctx, self.regression, self.callback = settings, ctx, data.task == "regression", callback
        self.module = network.to_torch()
        if twice := read_two_ways(self.module):
            raise OptimizerError("A weight is read as it is by one layer and transposed by another; trained, they would part.", twice,
                                 "Export the network with a weight for each layer, or quantize it as it is.", "tied-transposed")
        callback.begin(self.module)
        self.nhwc = network.preprocessing.layout == "nhwc"
        self.train, self.validation = Rows(network, data.train, self.regression), Rows(network, data.validation, self.regression)
        self.mean, self.spread = (float(self.train.y.mean()), float(self.train.y.std()) or 1.0) if self.regression else (0.0, 1.0)
        self.head = self.module if self.regression else logits(self.module)
        self.check(data)
        self.device = where()
        self.module.to(self.device)
        if all(weight.dim() < 5 for weight in self.module.parameters()):
            self.module.to(memory_format=torch.channels_last)     # type: ignore[call-overload]  # 1.3 to 1.6 times faster steps on a processor
        self.freeze()
        self.zeros = Zeros(self.module, network)
        self.optimizer = optimizer_for(self.module, settings)
        self.steps = len(order_of_epoch(len(self.train), settings.batch, ctx.seed, 0))
        self.progress = Progress(total=settings.epochs * self.steps)
        self.announced = self.progress.total     # steps, as the log last said
        self.key, self.print = names(network, settings, ctx, len(self.train))
        self.noun = "images" if data.kind == "images" or data.train.x.ndim == 4 else "rows"
        self.notes: list[str] = []
        left = ctx.remaining()
        self.until = None if left is None else time.monotonic() + ctx.training_share * left
        self.at, self.rows = 0, np.arange(0)        # the step at hand, its rows by number
        self.draws = np.random.default_rng(0).bit_generator.state       # what they are moved and mirrored from
        self.seen, self.taken, self.began, self.told, self.saved = 0, 0, time.monotonic(), 0.0, time.monotonic()

    def check(self, data: Dataset) -> None:
        """The output must be one row of scores for each class, or one number."""
        with torch.no_grad():
            out = self.head.eval()(self.train.take(np.arange(2))[0])
        wanted = 1 if self.regression else len(data.classes)
        if out.flatten(1).shape[1] != wanted:
            raise OptimizerError(f"The network answers {out.flatten(1).shape[1]} numbers for a row, and the dataset needs {wanted}.",
                                 "output",
                                 "Choose the dataset the model was made for, or train a new network with 'train'.", "classes-differ")
        if not any(weight.requires_grad for weight in self.module.parameters()):
            raise OptimizerError("The network has no weights that could learn.", "model", "", "no-weights")

    def freeze(self) -> None:
        if self.settings.freeze_batch_norm:
            for layer in self.module.modules():
                if isinstance(layer, NORMS):
                    layer.requires_grad_(False)

    def go(self) -> None:
        with ExitStack() as units:
            scaled = self.regression and units.enter_context(standardized(self.module, self.mean, self.spread))
            self.target = (self.mean, self.spread) if scaled else (0.0, 1.0)
            self.recall()
            while self.progress.epoch * self.steps < self.progress.total and not self.tired():
                self.epoch()
            if self.progress.weights:
                self.module.load_state_dict(self.progress.weights)
            self.callback.end(self.module.cpu().eval())
            self.tell()

    def epoch(self) -> None:
        """One pass, then validation, then perhaps a checkpoint."""
        number = self.progress.epoch
        torch.manual_seed(int(np.random.default_rng([self.ctx.seed, number, 2]).integers(2**62)))
        rng = np.random.default_rng([self.ctx.seed, number, 3])
        losses: list[float] = []
        self.mode()
        self.zeros.take()
        for at, rows in enumerate(order_of_epoch(len(self.train), self.settings.batch, self.ctx.seed, number)):
            step = number * self.steps + at
            if step >= self.progress.total or self.ctx.remaining() == 0:
                break
            losses.append(self.step(step, rows, rng))
            self.report(step)
            self.taken += 1
            if self.taken == WARM:              # the first steps warm up; their pace is nobody's
                self.seen, self.began = 0, time.monotonic()
            elif self.taken in CHECKED or (at == 0 and self.taken > CHECKED[0]):
                self.fit_time(step)
        self.progress.epoch = number + 1
        self.judge(float(np.mean(losses)) if losses else float("nan"))
        if time.monotonic() - self.saved >= EVERY:
            self.save()

    def step(self, step: int, rows: np.ndarray, rng: np.random.Generator) -> float:
        """One batch forward, backward and one move of the weights; returns its loss."""
        x, y = self.train.take(rows)
        self.at, self.rows, self.draws = step, rows, rng.bit_generator.state
        x = augmented(x, self.settings.shift, self.settings.flip, self.nhwc, rng)
        factor = share(step, self.progress.total, round(self.settings.warmup * self.steps), self.settings.schedule)
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.rate * factor
        self.optimizer.zero_grad(set_to_none=True)
        x = self.callback.feed(self, self.placed(x))
        loss = self.callback.loss(self, x, self.head(x), y.to(self.device))
        loss.backward()
        self.callback.graded(self, step)
        self.zeros.hold_gradients()
        if self.settings.clip:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.settings.clip)
        self.optimizer.step()
        self.zeros.hold()
        self.callback.stepped(self, step)
        self.seen += len(rows)
        return float(loss.detach())

    def placed(self, x: Tensor) -> Tensor:
        """Rows where the module is, pictures laid out as its weights are."""
        return x.to(self.device, memory_format=torch.channels_last) if x.dim() == 4 and not self.nhwc else x.to(self.device)

    def loss(self, out: Tensor, y: Tensor, smoothing: float = 0.0) -> Tensor:
        """Cross entropy on logits; for numbers, the squared error in units of the train split's variance."""
        if not self.regression:
            return F.cross_entropy(out.flatten(1), y, label_smoothing=smoothing)
        mean, spread = self.target
        apart = out.reshape(-1) - (y - mean) / spread
        return (apart if spread != 1.0 else apart / self.spread).square().mean()

    def mode(self) -> None:
        """Train mode for all but frozen batch norms."""
        self.head.train()
        if self.settings.freeze_batch_norm:
            for layer in self.head.modules():
                if isinstance(layer, NORMS):
                    layer.eval()

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """(metric, loss) on validation: top-1 or R², in eval mode."""
        self.head.eval()
        right, total = 0.0, 0.0
        for x, y in self.validation.in_order(256):
            out, y = self.head(self.placed(x)), y.to(self.device)
            loss = float(self.loss(out, y))
            total += loss * len(y)
            right += float((out.flatten(1).argmax(1) == y).sum()) if not self.regression else 0.0
        rows = len(self.validation)
        if not self.regression:
            return right / rows, total / rows
        spread = float(self.validation.y.var()) / self.spread**2
        return 1 - total / rows / spread if spread else 0.0, total / rows

    def judge(self, train_loss: float) -> None:
        """Curves, and the best weights so far. Without validation rows the last epoch counts as best."""
        now, x = self.progress, self.progress.epoch
        self.ctx.curve("train loss", x, train_loss)
        if not np.isfinite(train_loss):
            raise OptimizerError(f"The training loss became {train_loss} in epoch {x}.", "rate",
                                 "Use a smaller rate, or clip the gradient.",
                                 "diverged")
        metric, loss = self.evaluate() if len(self.validation) else (float(x), 0.0)
        if len(self.validation):
            self.ctx.curve("validation loss", x, loss)
            self.ctx.curve("validation r2" if self.regression else "validation top1", x, metric)
        if self.callback.judged(self) and (metric, -loss) > (now.best, -now.best_loss):
            now.best, now.best_loss, now.best_epoch = metric, loss, x
            now.weights = {name: tensor.detach().cpu().clone() for name, tensor in self.module.state_dict().items()}

    def tired(self) -> bool:
        """Whether patience or time has run out."""
        now, patience = self.progress, self.settings.patience
        if patience and len(self.validation) and now.weights and now.epoch - now.best_epoch >= patience:
            return True
        return now.epoch > 0 and self.ctx.remaining() == 0

    def fit_time(self, step: int) -> None:
        """Plan as many steps as this training's share of the time affords at the pace so far; the schedule ends where the steps end."""
        timed = self.seen / self.settings.batch
        if self.until is None or timed < 1:
            return
        remaining = max(0.0, self.until - time.monotonic())
        pace = (time.monotonic() - self.began) / timed
        validation = 0.4 * pace * len(self.validation) / self.settings.batch / self.steps
        affordable = step + 1 + int(remaining / (pace + validation))
        total = min(affordable, self.settings.epochs * self.steps)
        if abs(total - self.progress.total) > 0.03 * self.progress.total:
            self.progress.total = total
            if abs(total - self.announced) > 0.25 * self.announced:     # the pace wavers; a log that says so every epoch is noise
                self.announced = total
                self.ctx.log(f"The time affords {total / self.steps:.1f} of {self.settings.epochs} epochs.", self.settings.name, "warning")

    def report(self, step: int) -> None:
        now = time.monotonic()
        if now - self.told >= NOTICE:
            self.told = now
            speed = self.seen / max(1e-9, now - self.began)
            epochs = -(-self.progress.total // self.steps)
            self.ctx.report(step / self.progress.total, f"epoch {step // self.steps + 1} of {epochs}, {speed:,.0f} {self.noun}/s")

    def save(self) -> None:
        self.saved, now = time.monotonic(), self.progress
        state = {"module": self.module.state_dict(), "optimizer": self.optimizer.state_dict(), "weights": now.weights}
        facts = {"epoch": now.epoch, "total": now.total, "best": now.best, "best_loss": now.best_loss, "best_epoch": now.best_epoch}
        self.ctx.checkpoint(self.key, lambda path: torch.save(state, path), print=self.print, **facts)

    def recall(self) -> None:
        """Go on from a checkpoint of the same network, settings and seed, if there is one."""
        found = self.ctx.resume(self.key)
        if found is None or found[1].pop("print", None) != self.print:
            return
        state = torch.load(found[0], map_location=self.device, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**found[1], weights=state["weights"])
        self.ctx.log(f"Resumed after epoch {self.progress.epoch}.", self.settings.name)

    def tell(self) -> None:
        """One sentence on what was done, for the candidate's page."""
        now, planned = self.progress, self.settings.epochs
        metric = "R²" if self.regression else "top-1"
        best = f", best at epoch {now.best_epoch} with validation {metric} {now.best:.4f}" if len(self.validation) else ""
        done = min(now.epoch, -(-now.total // self.steps))
        self.notes.append(f"Trained {done} of {planned} epochs with {self.settings.optimizer}{best}.")
        self.ctx.epochs = None
        if now.total < planned * self.steps:
            self.ctx.epochs = max(1, round(now.total / self.steps))
            self.notes.append(f"The time allowed {now.total / self.steps:.1f} epochs, so the schedule was shortened to end there.")
        self.ctx.report(1.0, f"epoch {now.epoch} of {planned}")


def read_two_ways(module: fx.GraphModule) -> str:
    """The name of a tensor that became two parameters, as layers lay it out differently; empty where there is none."""
    held: dict[str, Tensor] = {}
    for binding in module.meta["bindings"]:
        owner, _, field = binding.path.rpartition(".")
        tensor = getattr(module.get_submodule(owner), field)
        if isinstance(tensor, nn.Parameter) and held.setdefault(binding.name, tensor) is not tensor:
            return str(binding.name)
    return ""


def names(network: Network, settings: Fitting, ctx: Context, rows: int) -> tuple[str, str]:
    """Key of the checkpoint, and a fingerprint of all that makes two runs the same."""
    whole = hashlib.sha256(network.serialize())
    whole.update(f"{settings.dump()} {network.preprocessing.model_dump()} {network.sparse} {ctx.seed} {rows}".encode())
    fingerprint: Any = whole.hexdigest()[:24]
    return f"{settings.name}-{fingerprint[:12]}", fingerprint
