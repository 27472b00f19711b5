"""Speed of convolutions of fields that commute with p4m, as ratios against plain ones and against e2cnn."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from physnn import rng
from physnn.checks.bench import TimedRow, report
from physnn.checks.training import e2cnn_peer
from physnn.jobs.run import Progress, silent
from physnn.models.groups.kernels import kernel_basis
from physnn.models.groups.representations import PointGroup
from physnn.networks.device import set_threads
from physnn.networks.symmetry.layers import FieldConv, FieldCopies, FieldSpace

E2CNN = "e2cnn (pip install e2cnn==0.2.3 'numpy<2' in an environment of its own, and name its python in PHYSNN_E2CNN)"
E2CNN_VARIABLE = "PHYSNN_E2CNN"
"""Variable with the python of an environment that has e2cnn; without it this one is asked."""
FIELD_COPIES = (16, 2)
"""Regular fields of D4 at every pixel, 8 components each: 16 functions on p4m, or as many as have 16 planes."""
FIELD_BATCH, FIELD_SIDE = 64, 32
FIELD_THREADS = (1, 2)
FIELD_ROUNDS = 4
"""Timed calls of each kind, by turns; the fastest counts."""
BASIS_SIDE = 8
"""Side of the torus whose maps of vector fields are found."""
CALLS = ("forward", "forward and backward")
TimedCalls = dict[str, tuple[Callable[[], Any], Callable[[], None]]]
"""What comes before a call, and the call that is timed, by name."""


class FieldCase(NamedTuple):
    """What is timed: copies of the regular field, and threads."""

    copies: int
    threads: int


def bench_fields(progress: Progress = silent) -> dict[str, Any]:
    """Milliseconds of 3 x 3 convolutions of regular fields of D4 on 64 images of 32 x 32, forward and with backward.

    ``fields`` is `FieldConv`, with filters kept in evaluation and made anew in training; ``plain`` a convolution of as
    many channels and multiplications.  Both have the better of two orders of channels in memory, and are called by
    turns with e2cnn, which has an environment and a process of its own.  What makes filters and convolves with them
    costs a plain convolution at least, so that ``e2cnn / plain`` is the most that it can gain.  One thread is measured
    by processor time, two by the clock on the wall.  Then the time of a basis of maps of vector fields.  See
    `physnn.checks.bench.report`.
    """
    missing: list[str] = []
    peer = started_peer(missing)
    rows: list[TimedRow] = []
    ratios: dict[str, float] = {}
    cases = [FieldCase(copies, threads) for copies in FIELD_COPIES for threads in FIELD_THREADS]
    for k, case in enumerate(cases):
        label = f"{case.copies} regular fields, {case.threads} threads"
        progress(k, len(cases), label)
        for call, best in _best(case, peer).items():
            rows += [
                {"name": f"{way}, {case.copies} regular fields, {call}", "value": 1e3 * seconds, "unit": "ms"}
                | {"threads": case.threads}
                for way, seconds in best.items()
            ]
            ways = {name: min(v for key, v in best.items() if key.startswith(name)) for name in ("fields", "plain")}
            ratios[f"{label}, {call}: fields / plain"] = ways["fields"] / ways["plain"]
            if "e2cnn" in best:
                ratios[f"{label}, {call}: e2cnn / fields"] = best["e2cnn"] / ways["fields"]
                ratios[f"{label}, {call}: e2cnn / plain"] = best["e2cnn"] / ways["plain"]
    if peer:
        peer.communicate()
    rows.append({"name": f"basis, vectors, L = {BASIS_SIDE}", "value": 1e3 * _basis(), "unit": "ms", "threads": 1})
    progress(len(cases), len(cases), "")
    return report(rows, ratios, missing)


def _best(case: FieldCase, peer: subprocess.Popen[str] | None) -> dict[str, dict[str, float]]:
    """Least seconds of every way, by call and way."""
    before = set_threads(case.threads)
    clock = time.process_time if case.threads == 1 else time.perf_counter
    try:
        ways = field_calls(case.copies)
        found = {call: dict.fromkeys(ways, float("inf")) for call in CALLS}
        for turn in range(FIELD_ROUNDS + 1):
            for call in CALLS:
                for way, calls in ways.items():
                    before_it, run = calls[call]
                    before_it()
                    began = clock()
                    run()
                    if turn:  # The first one finds memory.
                        found[call][way] = min(found[call][way], clock() - began)
                if peer:
                    found[call]["e2cnn"] = min(found[call].get("e2cnn", float("inf")), asked(peer, case, call))
    finally:
        set_threads(before)
    return found


def field_calls(copies: int) -> dict[str, TimedCalls]:
    """Calls of a convolution of fields and of the plain one that it is equal to, by way."""
    space = FieldSpace("d4", (FieldCopies("regular", copies),))
    layer = FieldConv(space, space)
    layer.draw(rng.stream(0, "synthetic", "bench", "fields"))
    shape = (FIELD_BATCH, space.channels, FIELD_SIDE, FIELD_SIDE)
    drawn = rng.stream(1, "synthetic", "bench", "fields").standard_normal((2, *shape), "float32")
    found: dict[str, TimedCalls] = {}
    for order, name in ((torch.contiguous_format, "channels first"), (torch.channels_last, "channels last")):
        values, slope = (torch.from_numpy(each).to(memory_format=order) for each in drawn)
        found[f"fields, {name}"] = _calls(layer, values, slope)
        plain = layer.plain()
        plain.weight.data = plain.weight.data.contiguous(memory_format=order)
        found[f"plain, {name}"] = _calls(plain, values, slope)
    return found


def _calls(layer: nn.Module, values: torch.Tensor, slope: torch.Tensor) -> TimedCalls:
    """Forward in evaluation; forward and backward in training."""
    leaf = values.clone().requires_grad_()

    def evaluation(images: torch.Tensor = values) -> None:
        with torch.no_grad():
            layer(images)

    def before_evaluation() -> None:
        layer.eval()
        evaluation(values[:1])  # Filters are made once.

    def training() -> None:
        layer.zero_grad()
        leaf.grad = None
        layer(leaf).backward(slope)

    return dict(zip(CALLS, ((before_evaluation, evaluation), (layer.train, training)), strict=True))


def _basis() -> float:
    """Least CPU seconds of a basis of the maps of vector fields on a torus that commute with p4m."""
    seconds = []
    for _ in range(3):
        began = time.process_time()
        point = PointGroup("d4")
        vector = point.representation("vector")
        kernel_basis(point, vector, vector, BASIS_SIDE, torus=True)
        seconds.append(time.process_time() - began)
    return min(seconds)


def started_peer(missing: list[str]) -> subprocess.Popen[str] | None:
    """Process that times e2cnn; none, and its name in ``missing``, where there is no e2cnn."""
    python = os.environ.get(E2CNN_VARIABLE) or (sys.executable if importlib.util.find_spec("e2cnn") else "")
    if not python:
        missing.append(E2CNN)
        return None
    words = [python, "-W", "ignore", str(Path(e2cnn_peer.__file__))]
    pipe = subprocess.PIPE
    try:
        peer = subprocess.Popen(words, text=True, stdin=pipe, stdout=pipe, stderr=pipe)  # noqa: S603  (its own program)
    except OSError as error:
        missing.append(f"{E2CNN}: {error}")
        return None
    assert peer.stdout and peer.stderr
    if not peer.stdout.readline():
        said = peer.stderr.read().strip().splitlines()
        missing.append(f"{E2CNN}: {said[-1] if said else 'no answer'}")
        return None
    return peer


def asked(peer: subprocess.Popen[str], case: FieldCase, call: str) -> float:
    """Seconds of a call of e2cnn."""
    assert peer.stdin and peer.stdout and peer.stderr
    sizes = {"copies": case.copies, "batch": FIELD_BATCH, "side": FIELD_SIDE, "threads": case.threads}
    peer.stdin.write(json.dumps(sizes | {"call": call}) + "\n")
    peer.stdin.flush()
    line = peer.stdout.readline()
    if not line:
        raise RuntimeError(f"e2cnn ended: {peer.stderr.read().strip().splitlines()[-1:]}")
    return float(json.loads(line)["seconds"])
