"""What a technique may add to plain training: one object with places to step in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, fx

    from optimizers.training.loop import Run


class Callback:
    """Does nothing. A technique that trains in its own way overrides what it needs.

    Layers may be changed by `torch.nn.utils.parametrize`: what is written back is `layer.weight` as it then reads.
    """

    def begin(self, module: fx.GraphModule) -> None:
        """Change the module in place before the optimizer is built: parametrize weights, insert layers. Also called on resuming."""

    def feed(self, run: Run, x: Tensor) -> Tensor:
        """The rows of one batch as the network is to see them. x: (n, ...) as fed, moved and mirrored already."""
        return x

    def loss(self, run: Run, x: Tensor, out: Tensor, y: Tensor) -> Tensor:
        """The loss of one batch. x: (n, ...) as fed.  out: what the network answers before a last softmax.  y: (n,)."""
        return run.loss(out, y, run.settings.label_smoothing)

    def graded(self, run: Run, step: int) -> None:
        """Gradients are known and no weight has moved: those of weights held at zero (`run.zeros`) are still there to be looked at."""

    def stepped(self, run: Run, step: int) -> None:
        """After the optimizer moved the weights in step 0, 1, ...; run.progress.total is how many are planned."""

    def judged(self, run: Run) -> bool:
        """After an epoch was judged on validation. False keeps its weights from being taken as the best so far
        (they are not yet what was asked for, as in the middle of a schedule)."""
        return True

    def end(self, module: fx.GraphModule) -> None:
        """The best weights are in place: make the module hold plain tensors that can be written back."""
