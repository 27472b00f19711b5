"""Triton kernels: siblings of the compiled loops of `physnn.kernels`, for CUDA.  Nothing else imports Triton."""

from __future__ import annotations

import os

from physnn.errors import InputError, Unfinished, check_installed

__all__ = ["check", "describe", "interpreted", "place", "wait"]


def interpreted() -> bool:
    """Return whether TRITON_INTERPRET=1 asks for Triton's interpreter: slow, on the CPU, for tests."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def check(device: str) -> None:
    """Raise `InputError` if ``device`` is not the name of a CUDA device, whether or not there is one here."""
    name, _, number = device.partition(":")
    if name != "cuda" or not (number or "0").isdecimal():
        raise InputError(f"GPU kernels run on cuda or cuda:N, not {device!r}; use a CPU sampler there, e.g. multispin")


def place(device: str = "cuda") -> str:
    """Return the torch device that holds the arrays of a kernel: ``device``, or "cpu" for Triton's interpreter.

    Parameters
    ----------
    device : str
        "cuda" or "cuda:N".

    Raises
    ------
    InputError
        If it is no name of a CUDA device, or Triton is not installed.
    Unfinished
        If this machine has no such GPU: the same call continues on one that has.
    """
    check(device)
    check_installed("torch", "triton")
    if interpreted():
        return "cpu"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(device.partition(":")[2] or "0") >= count:
        raise Unfinished(
            f"there is no {device} here (torch {torch.__version__} sees {count} GPUs): the same command works on a "
            "machine that has one; use --device cpu on this one"
        )
    return device


def describe(device: str = "cuda") -> tuple[str, int, float]:
    """Return name, multiprocessors and clock in GHz (0 if torch does not say) of a GPU; errors as in `place`."""
    import torch

    found = torch.cuda.get_device_properties(place(device))
    return str(found.name), int(found.multi_processor_count), float(getattr(found, "clock_rate", 0)) / 1e6


def wait(device: str = "cuda") -> None:
    """Return when a GPU has done all that it was told to; errors as in `place`."""
    import torch

    torch.cuda.synchronize(place(device))
