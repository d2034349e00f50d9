"""Batches from arrays and memory maps, in one process: no loader workers, which the cage would not let fork."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from optimizers.data.dataset import Split
from optimizers.models.network import Network

CACHED = 400 * 2**20        # bytes of preprocessed rows that are kept in memory; beyond it each batch is prepared when it is drawn


class Rows:
    """A split as the network takes it: float32 inputs, int64 classes or float32 targets."""

    def __init__(self, network: Network, split: Split, regression: bool) -> None:
        self.network, self.split = network, split
        self.y = np.asarray(split.y, np.float32 if regression else np.int64)
        self.fed: np.ndarray | None = None
        if len(split):
            row = network.feed(np.asarray(split.x[:1]))
            if row.nbytes * len(split) <= CACHED:
                self.fed = np.concatenate([network.feed(np.asarray(split.x[at:at + 4096])) for at in range(0, len(split), 4096)])

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        """The rows by number, in that order."""
        if self.fed is not None:
            return torch.from_numpy(self.fed[rows]), torch.from_numpy(self.y[rows])
        order = np.argsort(rows, kind="stable")         # a memory map is read in its own order
        x = np.empty((len(rows), *self.split.x.shape[1:]), self.split.x.dtype)
        x[order] = self.split.x[rows[order]]
        return torch.from_numpy(self.network.feed(x)), torch.from_numpy(self.y[rows])

    def in_order(self, batch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for at in range(0, len(self), batch):
            yield self.take(np.arange(at, min(at + batch, len(self))))


def order_of_epoch(rows: int, batch: int, seed: int, epoch: int) -> list[np.ndarray]:
    """Row numbers of each step of one epoch. The same seed and epoch give the same order, whatever ran before.

    A last batch that is not full is left out (unless it is the only one): the rows in it differ from epoch to epoch.
    """
    order = np.random.default_rng([seed, epoch, 1]).permutation(rows)
    return [order[at:at + batch] for at in range(0, max(1, rows - batch + 1), batch)]


def augmented(x: torch.Tensor, shift: int, flip: bool, nhwc: bool, rng: np.random.Generator) -> torch.Tensor:
    """Pictures moved by up to `shift` pixels each way, their edges drawn out, and half of them mirrored. x: float32, four axes."""
    if x.dim() != 4 or not (shift or flip):
        return x
    rows, columns = (1, 2) if nhwc else (2, 3)
    out = x.numpy()
    if shift:
        widths = [(0, 0)] * 4
        widths[rows] = widths[columns] = (shift, shift)
        padded, (height, width) = np.pad(out, widths, mode="edge"), (out.shape[rows], out.shape[columns])
        moves = rng.integers(0, 2 * shift + 1, (len(out), 2))
        spot = (lambda r, c: np.s_[r:r + height, c:c + width]) if nhwc else (lambda r, c: np.s_[:, r:r + height, c:c + width])
        out = np.stack([picture[spot(down, right)] for picture, (down, right) in zip(padded, moves, strict=True)])
    if flip:
        mirrored = rng.random(len(out)) < 0.5
        out = out.copy()
        out[mirrored] = np.flip(out[mirrored], columns)
    return torch.from_numpy(np.ascontiguousarray(out))
