"""Triton's interpreter without work that it throws away, as far as its parts have the names known here.

It looks through all of the language again at every call of a function within a kernel, makes a table of types at every
operation, and works out overflows that it compares with nothing.  Kernels give the same bits without: half the time.
"""

from __future__ import annotations

import dataclasses
import os
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session", autouse=True)
def lean_interpreter():
    """What would be thrown away is not done."""
    if os.environ.get("TRITON_INTERPRET") != "1":
        yield
        return
    from triton.runtime import interpreter

    with pytest.MonkeyPatch.context() as patch:
        builder = getattr(interpreter, "interpreter_builder", SimpleNamespace())
        if {"sanitize_overflow", "debug"} <= set(getattr(getattr(builder, "options", None), "__dict__", ())):
            # Overflows are compared with their limits in debugging alone.
            sanitize = builder.options.debug
            patch.setattr(builder, "options", dataclasses.replace(builder.options, sanitize_overflow=sanitize))
        if hasattr(interpreter, "_patch_lang") and hasattr(interpreter, "GridExecutor"):
            in_launches(interpreter, patch)
        if hasattr(interpreter, "_get_np_dtype"):
            by_name(interpreter, patch)
        yield


def in_launches(interpreter, patch: pytest.MonkeyPatch) -> None:
    """Let the language be prepared for each module of kernels once in a launch."""
    prepare, launch, prepared = interpreter._patch_lang, interpreter.GridExecutor.__call__, set()

    def once(function):
        if id(function.__globals__) in prepared:
            return None
        prepared.add(id(function.__globals__))
        return prepare(function)

    def call(self, *args, **kwargs):
        prepared.clear()
        try:
            return launch(self, *args, **kwargs)
        finally:
            prepared.clear()

    patch.setattr(interpreter, "_patch_lang", once)
    patch.setattr(interpreter.GridExecutor, "__call__", call)


def by_name(interpreter, patch: pytest.MonkeyPatch) -> None:
    """Look a type of numbers up by its name, which holds all of it."""
    found, look_up = {}, interpreter._get_np_dtype

    def known(dtype):
        if dtype.name not in found:
            found[dtype.name] = look_up(dtype)
        return found[dtype.name]

    patch.setattr(interpreter, "_get_np_dtype", known)
