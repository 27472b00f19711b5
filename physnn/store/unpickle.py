"""Pickles that hold data only: nothing in the file is called, whatever it asks for.

A pickle is a program.  Here every name that it may ask for is one of the passive classes below, which keep what they
are given; numpy itself is called only after the types, shapes and sizes have been checked.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from physnn.errors import InputError

NUMBERS = "biuf"
"""Kinds of numpy dtypes that an array may have: Booleans, integers, floating-point numbers."""
_REGISTRY = {"EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


class _Passive:
    """Keeps its arguments and state; a class rather than a function, so that no attribute can be set on it."""

    __slots__ = ("arguments", "state")
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *arguments: Any) -> Any:
        made = super().__new__(cls)
        made.arguments = arguments
        made.state = None
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Type(_Passive):
    """``numpy.ndarray``, which occurs as an argument only."""

    __slots__ = ()


class _Dtype(_Passive):
    """``numpy.dtype(code, align, copy)`` with state ``(version, byte order, ...)``."""

    __slots__ = ()

    def dtype(self) -> np.dtype[Any]:
        code = self.arguments[0]
        code = code.decode("ascii") if isinstance(code, bytes) else code
        order = self.state[1] if self.state is not None else "="
        order = order.decode("ascii") if isinstance(order, bytes) else order
        if not (isinstance(code, str) and code[:1] in NUMBERS and code[1:].isdigit() and order in "<>=|"):
            raise ValueError("the elements of an array are no numbers")
        return np.dtype(order.replace("|", "=") + code)


class _Text(_Passive):
    """``_codecs.encode(text, "latin1")``: how Python 3 writes bytes in the protocols of Python 2."""

    __slots__ = ()

    def __new__(cls, text: Any, codec: Any) -> Any:
        if not isinstance(text, str) or codec not in ("latin1", b"latin1"):
            raise ValueError("an encoding other than latin1")
        return text.encode("latin1")


class PickledArray(_Passive):
    """A numpy array in a pickle; `array` checks it and makes it."""

    __slots__ = ()

    def parts(self) -> tuple[Any, Any, Any, Any]:
        """Return shape, dtype, whether in Fortran order, and the bytes."""
        shape, dtype, fortran, data = self.state[-4:]
        return shape, dtype, fortran, data

    def array(self) -> np.ndarray:
        """Return the array, read-only; raises InputError if it is not one of numbers, or its size is wrong."""
        try:
            shape, dtype, fortran, data = self.parts()
            size = dtype.dtype().itemsize * math.prod(shape)
            if not (isinstance(data, bytes | bytearray) and all(type(n) is int and n >= 0 for n in shape)):
                raise ValueError("shape or contents are damaged")
            if len(data) != size:
                raise ValueError(f"{len(data)} bytes where the shape needs {size}")
            return np.frombuffer(data, dtype.dtype()).reshape(shape, order="F" if fortran else "C")
        except (TypeError, ValueError, AttributeError, IndexError) as error:
            raise InputError(f"an array in the pickle cannot be used ({error}); fetch the file again") from None


class _Buffer(PickledArray):
    """``numpy._core.numeric._frombuffer(bytes, dtype, shape, order)``, as protocol 5 has it."""

    __slots__ = ()

    def parts(self) -> tuple[Any, Any, Any, Any]:
        data, dtype, shape, order = self.arguments
        return shape, dtype, order in ("F", b"F"), data


class _Unpickler(pickle.Unpickler):
    known: ClassVar[Mapping[tuple[str, str], type]] = {
        ("numpy", "ndarray"): _Type,
        ("numpy", "dtype"): _Dtype,
        ("_codecs", "encode"): _Text,
    } | {
        (f"numpy.{core}.{module}", name): kind
        for core in ("core", "_core")
        for module, name, kind in (("multiarray", "_reconstruct", PickledArray), ("numeric", "_frombuffer", _Buffer))
    }

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.known:
            raise InputError(f"the pickle asks for {f'{module}.{name}'[:80]!r}, which is no data")
        return self.known[module, name]


def unpickle_data(content: bytes) -> Any:
    """Return what a pickle holds: numbers, bytes, text, lists, tuples, dictionaries and `PickledArray`.

    Parameters
    ----------
    content : bytes
        The whole pickle, of any protocol; strings of Python 2 become bytes.

    Raises
    ------
    InputError
        If the pickle asks for anything else, or is damaged.  Nothing in it has run.
    """
    try:
        for opcode, argument, _ in pickletools.genops(content):
            # A memo slot far beyond the number of bytes only serves to fill the memory.
            slot = "PUT" in opcode.name and isinstance(argument, int) and argument > len(content)
            if opcode.name in _REGISTRY or slot:
                raise InputError("the pickle holds more than data")
        return _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except InputError:
        raise
    except Exception as error:
        # A damaged pickle can raise nearly anything, and all of it means the same.
        raise InputError(f"it is no pickle of plain data, or is cut short ({type(error).__name__})") from None
