from __future__ import annotations

import numpy as np
import pytest

from physnn import api, report
from physnn.analysis.thermometer import thermometer
from physnn.errors import InputError
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from physnn.sweeps import equilibrium
from physnn.sweeps.equilibrium_recipe import OrderRecord
from physnn.sweeps.files import run_sweep

XY = OrderRecord(
    wave_vectors=(("0", "0"),) * 2, vectors=(((1.0, 0.0), (0.0, 0.0)), ((0.0, 0.0), (1.0, 0.0))), T=1.2, L=16
)
"""What the search finds for the XY model, so that most tests need not search."""
SMALL = {"L": (4, 6), "T": (0.9, 1.1), "model": ("xy",), "sweeps": 40, "thermalisation": 10, "interval": 5, "order": XY}


def run(out, extend=False, jobs=1, **settings):
    recipe = api.equilibrium_recipe(out, extend, **settings)
    return run_sweep(recipe, out, extend=extend, jobs=jobs)


@pytest.mark.parametrize("sampler", ["langevin", "metropolis", "mala"])
def test_longer_wider_and_interrupted_sweeps_equal_one_run_at_once(tmp_path, sampler, monkeypatch):
    whole, grown, cut = (tmp_path / f"{name}.h5" for name in ("whole", "grown", "cut"))
    settings = SMALL | {"sampler": sampler, "noiseless": True}
    run(whole, **settings)
    run(grown, **settings | {"sweeps": 17, "L": (4,), "T": (0.9,)})
    assert run(grown, extend=True, L=(4,), T=(1.1,), model=("xy",)) == 1
    assert run(grown, extend=True, L=(4, 6), sweeps=40) == 4
    assert content_digest(grown) == content_digest(whole)

    monkeypatch.setattr(equilibrium, "_block", lambda task: 3)
    due = iter([False, True] * 1000)
    monkeypatch.setattr(equilibrium.Checkpoints, "due", lambda self: next(due))
    write, count = equilibrium.write_part, 0

    def interrupted(*args, **kwargs):
        nonlocal count
        write(*args, **kwargs)
        count += 1
        if count % 4 == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(equilibrium, "write_part", interrupted)
    for _ in range(100):
        try:
            run(cut, **settings)
            break
        except KeyboardInterrupt:
            continue
    assert count > 8
    assert content_digest(cut) == content_digest(whole)
