"""The machine as tensor operations see it: compute threads and accelerator."""

from __future__ import annotations

import torch


def set_threads(count: int) -> int:
    """Set the number of compute threads of tensor operations and return the number before."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    return before


def has_cuda() -> bool:
    """Whether a CUDA device can be used."""
    return torch.cuda.is_available()
