"""Pickles of plain data: nothing in the file is called, whatever it asks for.

A pickle is a program.  Python's unpickler is not used at all: `pickletools` takes the program apart without running it,
and a small machine carries out those instructions that put data together.  Of all names only numpy's own for arrays
are known, and they stand for passive records.  numpy itself is called after types, shapes and sizes have been checked.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from physnn.errors import InputError

NUMBERS = "biuf"
"""Kinds of numpy dtypes that an array may have: Booleans, integers, floating-point numbers."""
INSTRUCTIONS = 4_000_000
"""Largest number of instructions that are followed; a published batch of CIFAR has less than a tenth of it."""


class _Named(Enum):
    """Functions and types that a pickle may name: each stands for itself and is never called."""

    NDARRAY = "numpy ndarray"
    DTYPE = "numpy dtype"
    RECONSTRUCT = "numpy.core.multiarray _reconstruct"
    FROMBUFFER = "numpy.core.numeric _frombuffer"
    ENCODE = "_codecs encode"  # How Python 3 writes bytes in the protocols of Python 2.
    BYTES = "builtins bytes"


_ALIASES = {
    "__builtin__ bytes": "builtins bytes",
    "numpy._core.multiarray _reconstruct": "numpy.core.multiarray _reconstruct",
    "numpy._core.numeric _frombuffer": "numpy.core.numeric _frombuffer",
}


@dataclass(eq=False)
class _Dtype:
    """Record of ``numpy.dtype(code, ...)`` with state ``(version, order, ...)``, neither of them checked."""

    code: str | bytes
    order: str | bytes = "="

    def dtype(self) -> np.dtype[Any] | None:
        """Type of the elements, or None if it is not one of numbers."""
        try:
            code, order = (v.decode("ascii") if isinstance(v, bytes) else v for v in (self.code, self.order))
            sound = code[:1] in tuple(NUMBERS) and code[1:] in ("1", "2", "4", "8") and order in ("<", ">", "=", "|")
            return np.dtype(order.replace("|", "=") + code) if sound else None
        except (ValueError, TypeError):
            return None


@dataclass(eq=False)
class PickledArray:
    """Record of a numpy array as a pickle describes it; `array` checks it and makes it."""

    shape: Any = ()
    kind: Any = None
    fortran: Any = False
    data: Any = b""

    def array(self) -> np.ndarray:
        """Array of numbers; raises InputError if it is not one, or its size is wrong."""
        dtype = self.kind.dtype() if isinstance(self.kind, _Dtype) else None
        if not (
            dtype is not None
            and isinstance(self.data, bytes | bytearray)
            and isinstance(self.shape, tuple)
            and len(self.shape) <= 32
            and all(type(n) is int and 0 <= n < 2**48 for n in self.shape)
            and len(self.data) == dtype.itemsize * math.prod(self.shape)
        ):
            raise InputError("an array in the pickle is damaged or not of numbers; fetch the file again")
        return np.ndarray(self.shape, dtype, self.data, order="F" if self.fortran else "C")


class _Machine:
    """Stack and memo of a pickle, and the instructions that only put data together."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.encoded: dict[str, bytes] = {}
        words = "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT UNICODE SHORT_BINUNICODE BINUNICODE"
        words += " BINUNICODE8 SHORT_BINBYTES BINBYTES BINBYTES8 BYTEARRAY8"
        self.steps: dict[str, Callable[[Any], Any]] = dict.fromkeys(words.split(), self.push)
        self.steps |= dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), self.push_latin1)
        self.steps |= dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), self.put)
        self.steps |= dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda slot: self.push(self.memo[slot]))
        self.steps |= dict.fromkeys(("PROTO", "FRAME"), lambda _: None)
        self.steps |= {
            "NONE": lambda _: self.push(None),
            "NEWTRUE": lambda _: self.push(True),
            "NEWFALSE": lambda _: self.push(False),
            "EMPTY_LIST": lambda _: self.push([]),
            "EMPTY_TUPLE": lambda _: self.push(()),
            "EMPTY_DICT": lambda _: self.push({}),
            "MARK": lambda _: self.mark(),
            "POP": lambda _: self.stack.pop(),
            "POP_MARK": lambda _: self.since_mark(),
            "DUP": lambda _: self.push(self.stack[-1]),
            "MEMOIZE": lambda _: self.put(len(self.memo)),
            "TUPLE1": lambda _: self.push(tuple(self.top(1))),
            "TUPLE2": lambda _: self.push(tuple(self.top(2))),
            "TUPLE3": lambda _: self.push(tuple(self.top(3))),
            "TUPLE": lambda _: self.push(tuple(self.since_mark())),
            "LIST": lambda _: self.push(self.since_mark()),
            "DICT": lambda _: self.set_items(self.since_mark(), new=True),
            "APPEND": lambda _: self.extend(self.top(1)),
            "APPENDS": lambda _: self.extend(self.since_mark()),
            "SETITEM": lambda _: self.set_items(self.top(2)),
            "SETITEMS": lambda _: self.set_items(self.since_mark()),
            "GLOBAL": self.name,
            "STACK_GLOBAL": lambda _: self.name(" ".join(self.top(2))),
            "REDUCE": lambda _: self.push(self.made(*self.top(2))),
            "BUILD": lambda _: self.complete(*self.top(2)),
        }

    def run(self, program: bytes) -> Any:
        """Value that the program leaves on the stack."""
        for count, (code, argument, _) in enumerate(pickletools.genops(program)):
            if code.name == "STOP":
                return self.stack.pop()
            if code.name not in self.steps or count == INSTRUCTIONS:
                raise InputError("it is a pickle that holds more than plain data; fetch the file from its publisher")
            self.steps[code.name](argument)
        raise ValueError

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_latin1(self, text: str) -> None:
        self.stack.append(text.encode("latin1"))

    def put(self, slot: int) -> None:
        self.memo[slot] = self.stack[-1]

    def mark(self) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        values, self.stack = self.stack, self.below.pop()
        return values

    def top(self, n: int) -> list[Any]:
        if len(self.stack) < n:
            raise ValueError
        values = self.stack[-n:]
        del self.stack[-n:]
        return values

    def extend(self, values: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            raise TypeError
        self.stack[-1].extend(values)

    def set_items(self, values: list[Any], new: bool = False) -> None:
        if new:
            self.push({})
        # Names only: the hash of a deep tuple would overflow the processor's stack.
        if not isinstance(self.stack[-1], dict) or not all(isinstance(key, str | bytes) for key in values[::2]):
            raise TypeError
        self.stack[-1].update(zip(values[::2], values[1::2], strict=True))

    def name(self, full: str) -> None:
        try:
            self.push(_Named(_ALIASES.get(full, full)))
        except ValueError:
            shown = full.replace(" ", ".")[:80]
            raise InputError(
                f"it is a pickle that asks for {shown!r}, which is no data; fetch it from its publisher"
            ) from None

    def made(self, function: Any, arguments: Any) -> Any:
        """Record in place of the object that a call would have made."""
        match function, arguments:
            case (_Named.ENCODE, (str(text), "latin1" | b"latin1")):
                if text not in self.encoded:  # A short program could encode a long text a million times.
                    self.encoded[text] = text.encode("latin1")
                return self.encoded[text]
            case (_Named.BYTES, ()):
                return b""
            case (_Named.DTYPE, (str(code) | bytes(code), *_)):
                return _Dtype(code)
            case (_Named.RECONSTRUCT, (_Named.NDARRAY, *_)):
                return PickledArray()
            case (_Named.FROMBUFFER, (data, kind, shape, order)):
                return PickledArray(shape, kind, order in ("F", b"F"), data)
        raise TypeError

    def complete(self, record: Any, state: Any) -> None:
        """Give a record the state that follows it in the file."""
        match record, state:
            case (_Dtype(), (_, str(order) | bytes(order), *_)):
                record.order = order
            case (PickledArray(), (_, shape, kind, fortran, data)):
                record.shape, record.kind, record.fortran, record.data = shape, kind, fortran, data
            case _:
                raise TypeError
        self.push(record)


def unpickle_data(content: bytes) -> Any:
    """Data of a pickle of any protocol: numbers, bytes, text, lists, tuples, dictionaries and `PickledArray`.

    Strings of Python 2 become bytes.  Keys of dictionaries must be text or bytes.

    Raises
    ------
    InputError
        If the pickle asks for anything else, is damaged, or has more than `INSTRUCTIONS`.  Nothing in it has run.
    """
    try:
        return _Machine().run(content)
    except InputError:
        raise
    except Exception:
        # A damaged pickle can raise nearly anything, and all of it means the same.
        raise InputError("it is no pickle of plain data, or is cut short; fetch the file again") from None
