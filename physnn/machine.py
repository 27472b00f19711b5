"""Linear algebra on one thread: matrices are small, and threads would wait for each other longer than they work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


@contextmanager
def single_blas_thread() -> Iterator[None]:
    """Give every BLAS one thread, also the one that compiled kernels call."""
    # Kernels take their BLAS from scipy, and only a library that is loaded already can be limited.
    import scipy.linalg.cython_blas  # noqa: F401
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


def one_thread(function: Function) -> Function:
    """Return a function that runs with one BLAS thread."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with single_blas_thread():
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]
