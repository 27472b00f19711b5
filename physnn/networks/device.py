"""Compute threads, accelerator and precision of tensor operations."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import ThreadpoolController

from physnn.errors import InputError, Unfinished
from physnn.machine import Shared

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


_one_thread: dict[int, int] = {}
"""Threads of the program inside `single_thread`, with what was the number before the first of them went in."""
_accounts = threading.Lock()


@contextmanager
def single_thread() -> Iterator[None]:
    """Give tensor operations one compute thread, as every task has: their bits depend on the number.

    Several threads of a program may be inside.  OpenMP keeps a number for each of them, torch and MKL another one for
    all, which the last that leaves puts back.
    """
    me = threading.get_ident()
    if me in _one_thread:
        yield
        return
    with _accounts:
        before = set_threads(1)
        _one_thread[me] = next(iter(_one_thread.values()), before)
    try:
        yield
    finally:
        with _accounts:
            before = _one_thread.pop(me)
            if not _one_thread:
                set_threads(before)
            else:
                for library in ThreadpoolController().select(user_api="openmp").lib_controllers:
                    library.set_num_threads(before)


@contextmanager
def _full_precision() -> Iterator[None]:
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


full_precision = Shared(_full_precision)
"""Context in which convolutions on a GPU keep single precision: by default torch rounds factors to ten bits (TF32)."""
