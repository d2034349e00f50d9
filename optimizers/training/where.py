"""Where torch computes: the one place that decides."""

import torch


def where() -> torch.device:
    """The first CUDA device if there is one, else the processor."""
    return torch.device("cuda") if torch.cuda.is_available() else torch.device("cpu")


def use_threads(threads: int) -> None:
    """As many processor threads as the run was given."""
    torch.set_num_threads(max(1, threads))
