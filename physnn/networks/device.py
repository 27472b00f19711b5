"""Compute threads, accelerator and precision of tensor operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from physnn.errors import InputError, Unfinished

NO_CUDA = "there is no CUDA device here: the same command works on a machine that has one; use --device cpu on this one"
"""Message where a GPU is asked for and missing."""


def set_threads(count: int) -> int:
    """Set the number of compute threads of tensor operations and return the number before."""
    before = torch.get_num_threads()
    if count != before:
        torch.set_num_threads(count)
    return before


def has_cuda() -> bool:
    """Whether a CUDA device can be used."""
    return torch.cuda.is_available()


def check_device(device: str) -> None:
    """Raise InputError unless a device is ``"cpu"`` or ``"cuda"``, and Unfinished if it is not here."""
    if device not in ("cpu", "cuda"):
        raise InputError(f"there is no device {device!r}; take cpu or cuda")
    if device == "cuda" and not has_cuda():
        raise Unfinished(NO_CUDA)


@contextmanager
def single_thread() -> Iterator[None]:
    """Give tensor operations one compute thread, as every task has: their bits depend on the number."""
    before = set_threads(1)
    try:
        yield
    finally:
        set_threads(before)


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep convolutions on a GPU in single precision: by default torch rounds their factors to ten bits (TF32)."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before
