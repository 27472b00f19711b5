"""Ladders of unit vectors: every temperature has the averages of chains of its own, and files do not depend on cuts."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from physnn import api
from physnn.answers import fit
from physnn.answers.exchange import exchanges_of
from physnn.errors import InputError
from physnn.jobs import stopping
from physnn.samples import files
from physnn.samples.equilibrium import vector_ladder as ladder
from physnn.store.hdf5 import content_digest
from physnn.store.sweep_file import read_sweep
from tests.conftest import interrupt, rerun

SMALL = {"L": (4,), "T": (0.7, 1.0, 1.5), "model": ("xy",), "sampler": "metropolis", "interval": 1, "chains": 2}


def run(out, extend=False, jobs=1, **settings):
    return files.run(api.recipe("equilibrium", out, extend, **settings), out, extend=extend, jobs=jobs)


def deviations(out, plain):
    """Largest difference of energies and order parameters from those of plain chains, in standard errors."""
    z = []
    for name in ("energy", "m_abs"):
        a, b = (fit.curves(path, name, resamples=100) for path in (out, plain))
        z.append(np.abs((a.y[4] - b.y[4]) / np.hypot(a.errors[4], b.errors[4])).max())
    return max(z)


@pytest.mark.parametrize("sampler", ["metropolis", pytest.param("mala", marks=pytest.mark.slow)])
def test_temperatures_keep_their_averages_and_wrong_exchanges_are_seen(tmp_path, monkeypatch, sampler):
    settings = SMALL | {"sampler": sampler, "sweeps": 500, "thermalisation": 20, "interval": 5, "chains": 1}
    run(tmp_path / "plain.h5", **settings)
    run(tmp_path / "ladder.h5", **settings, tempering=True)
    assert deviations(tmp_path / "ladder.h5", tmp_path / "plain.h5") < 4
    (found,) = exchanges_of(read_sweep(tmp_path / "ladder.h5"))
    assert found.swap_rate.min() > 0.1 and found.round_trips.min() > 5
    right = ladder.inverse_temperatures
    monkeypatch.setattr(ladder, "inverse_temperatures", lambda T: -right(T))
    run(tmp_path / "wrong.h5", **settings | {"sweeps": 150}, tempering=True)
    assert deviations(tmp_path / "wrong.h5", tmp_path / "plain.h5") > 6


def test_workers_and_cuts_change_nothing(tmp_path, monkeypatch, workers):
    settings = SMALL | {"sweeps": 60, "thermalisation": 20, "tempering": True}
    assert run(tmp_path / "whole.h5", jobs=workers, **settings) == 2
    monkeypatch.setattr(stopping, "CHECKPOINT", -1.0)
    monkeypatch.setattr(ladder, "PERIOD", 7)
    calls = interrupt(monkeypatch, ladder, "_step", 23)
    for number, sweeps in enumerate((30, 60)):
        rerun(partial(run, tmp_path / "cut.h5", extend=bool(number), **settings | {"sweeps": sweeps}))
    assert calls[0] > 150
    assert content_digest(tmp_path / "cut.h5") == content_digest(tmp_path / "whole.h5")
    group = read_sweep(tmp_path / "whole.h5").sizes[4]
    assert group["replica"].dims == group["energy"].dims == ("T", "chain", "measurement")
    assert group["state_x"].values.shape == (3, 2, 4, 4, 2)
    assert not np.array_equal(group["energy"].values[:, 0], group["energy"].values[:, 1])


@pytest.mark.parametrize("change", [{"sampler": "langevin"}, {"T": (1.0,)}, {"noiseless": True}])
def test_what_cannot_be_exchanged_is_refused(change):
    with pytest.raises(InputError, match="--tempering exchanges"):
        api.recipe("equilibrium", **SMALL | {"tempering": True} | change)


def test_plain_sweeps_know_nothing_of_ladders():
    assert "tempering" not in api.recipe("equilibrium", **SMALL).canonical()
