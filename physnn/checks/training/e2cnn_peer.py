"""Speed of e2cnn: a program that an environment of its own runs.  It times calls one by one, as it is asked to.

It imports nothing of this package.  Each line it reads is a call, as JSON, and it answers with seconds.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any


def prepared(copies: int, batch: int, side: int, threads: int) -> dict[str, Any]:
    """Calls of a convolution of copies of the regular field of D4, by name: what comes before it, and what is timed."""
    torch, gspaces, layers = (import_module(name) for name in ("torch", "e2cnn.gspaces", "e2cnn.nn"))
    torch.set_num_threads(threads)
    space = gspaces.FlipRot2dOnR2(N=4)
    kind = layers.FieldType(space, copies * [space.regular_repr])
    layer = layers.R2Conv(kind, kind, kernel_size=3, padding=1)
    values = torch.randn(batch, kind.size, side, side)
    slope, leaf = torch.randn(batch, kind.size, side, side), values.clone().requires_grad_()

    def evaluation() -> None:
        with torch.no_grad():
            layer(layers.GeometricTensor(values, kind))

    def training() -> None:
        layer.zero_grad()
        leaf.grad = None
        layer(layers.GeometricTensor(leaf, kind)).tensor.backward(slope)

    return {"forward": (layer.eval, evaluation), "forward and backward": (layer.train, training)}


def serve() -> None:
    """Answer lines of ``{"copies", "batch", "side", "threads", "call"}`` with seconds on the clock of the bench."""
    known: dict[tuple[int, ...], dict[str, Any]] = {}
    print(json.dumps({"e2cnn": getattr(import_module("e2cnn"), "__version__", "?")}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        key = tuple(asked[name] for name in ("copies", "batch", "side", "threads"))
        if key not in known:
            known.clear()
            known[key] = prepared(*key)
        before, call = known[key][asked["call"]]
        before()
        clock = time.process_time if asked["threads"] == 1 else time.perf_counter
        began = clock()
        call()
        print(json.dumps({"seconds": clock() - began}), flush=True)


if __name__ == "__main__":
    serve()
