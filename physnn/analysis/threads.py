"""Linear algebra on one thread: matrices are small, and threads would wait for each other longer than they work."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])


def one_thread(function: Function) -> Function:
    """Return a function that runs with one BLAS thread, where threadpoolctl is there to ask for it."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with _limit():
            return function(*args, **kwargs)

    return run  # type: ignore[return-value]


def _limit() -> AbstractContextManager[Any]:
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1, "blas")  # type: ignore[no-any-return]
