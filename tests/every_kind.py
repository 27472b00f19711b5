"""Small files of every kind of sample, and a part, that are kept beside the tests.

``python -m tests.every_kind`` makes those that are not there yet: of a new kind, after its smallest settings were added
to `tests.samples.smallest`.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

from physnn.samples.kinds import KINDS
from physnn.store.parts import read_part, write_state
from physnn.store.sweep_file import FORMAT, kind_of, read_sweep, write_sweep
from tests.samples import smallest
from tests.samples.training import test_ensembles

KEPT = Path(__file__).parent / "store" / "fixtures" / "kinds"
"""Folder of the files."""
LARGEST = 2**15
"""Bytes of an array in a kept file at most: of larger ones, which are weights, files without them are as real."""
SHORTER: dict[str, dict[str, Any]] = {
    "temperature": {"sweeps": 40},
    "path-integral": {"sweeps": 20},
    "equilibrium": {"sweeps": 40},
    "memory": {"longest": 100},
    "ground-state": {"seeds": (0, 1)},
    "train-eos": {"arms": ("raw", "expanded")},
}
"""Settings of files that are shorter than the smallest from which something follows."""


def kept(kind: str) -> Path:
    """File of a kind beside the tests."""
    return KEPT / f"{kind}.h5"


def keep(kind: str, places: dict[str, str]) -> Path:
    """Make the file of a kind that is kept, with arrays that are not too large."""
    few = {"batchnorm": test_ensembles.MEMBERS["batchnorm"]}
    settings = {name: given | SHORTER.get(name, {}) for name, given in smallest.SETTINGS.items()}
    with mock.patch.object(smallest, "SETTINGS", settings), mock.patch.object(test_ensembles, "MEMBERS", few):
        out = smallest.made(kind, places)
    KEPT.mkdir(exist_ok=True)
    if kind_of(out)[0] == FORMAT:
        sweep = read_sweep(out)
        small = {L: {n: v for n, v in g.items() if v.values.nbytes <= LARGEST} for L, g in sweep.sizes.items()}
        write_sweep(kept(kind), sweep.recipe, small)
    else:
        kept(kind).write_bytes(out.read_bytes())
    return kept(kind)


def main() -> None:
    """Make what is not kept."""
    if not kept("part").exists():
        write_state(kept("part"), read_part(KEPT.parent / "v1" / "part.h5"))
    with tempfile.TemporaryDirectory(prefix="kinds-") as folder:
        places = smallest.make_places(Path(folder))
        for kind in KINDS:
            if not kept(kind).exists():
                print(keep(kind, places), flush=True)


if __name__ == "__main__":
    main()
