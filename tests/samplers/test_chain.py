from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models import Ising, Potts
from physnn.samplers import COLUMNS, SAMPLERS, Rows, State, advance, start, thermalise
from physnn.samplers import chain as chain_module
from physnn.samplers.vectors import VECTOR_COLUMNS, VectorRows
from tests.synthetic.lattice_exact import GENERAL, chain


def sequence(*words):
    return rng.seed_sequence(0, "synthetic", "test-chain", *words)


@pytest.mark.parametrize(
    ("name", "model", "shape"),
    [
        *((name, model, (8, 6)) for name in GENERAL for model in (Ising(), Potts(3))),
        ("multispin", Ising(), (4, 128)),
        ("multispin", Ising(), (6, 256)),
    ],
    ids=repr,
)
def test_a_chain_that_was_stored_continues_bit_for_bit(name, model, shape):
    sampler, T = SAMPLERS[name], model.critical_temperature
    state = start(sampler, model, shape, T, sequence())
    whole = advance(sampler, model, T, State.from_arrays(state.arrays()), 20, 3, snapshot_every=4)
    first = advance(sampler, model, T, state, 8, 3, snapshot_every=4)
    state = State.from_arrays({name: np.array(array.tolist(), array.dtype) for name, array in state.arrays().items()})
    second = advance(sampler, model, T, state, 12, 3, snapshot_every=4)
    assert np.array_equal(whole.values, np.concatenate([first.values, second.values]))
    assert np.array_equal(whole.snapshots, np.concatenate([first.snapshots, second.snapshots]))
    assert len(np.unique(whole["energy"])) > 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_length_of_slices_changes_nothing(name, monkeypatch):
    sampler, model = SAMPLERS[name], Ising()
    results = []
    for first, seconds in ((1, 1e-9), (10**9, 10.0)):
        monkeypatch.setattr(chain_module, "FIRST_SLICE_SITES", first)
        monkeypatch.setattr(chain_module, "SLICE", seconds)
        state = start(sampler, model, (6, 6) if name in GENERAL else (4, 128), 2.0, sequence())
        interval = thermalise(sampler, model, 2.0, state, 20)
        results.append((interval, advance(sampler, model, 2.0, state, 15, 7).values, state.colours))
    assert results[0][0] == results[1][0]
    assert np.array_equal(results[0][1], results[1][1]) and np.array_equal(results[0][2], results[1][2])


@pytest.mark.parametrize("T", [1.0, 2.269, 3.0, 10.0])
def test_the_wolff_interval_makes_about_one_sweep(T):
    sampler = SAMPLERS["wolff"]
    state, interval = chain(sampler, Ising(), (16, 16), T, "interval")
    work = advance(sampler, Ising(), T, state, 300, interval)["work"]
    assert 0.6 < work.mean() < 1.7
    assert interval == 1 if T == 1.0 else interval > 1


def test_seeds_name_chains_and_leave_the_sequence_alone():
    sampler, model = SAMPLERS["metropolis"], Ising()
    seeds = sequence("a")
    one, again = (start(sampler, model, (4, 4), 3.0, seeds) for _ in range(2))
    other = start(sampler, model, (4, 4), 3.0, sequence("b"))
    assert np.array_equal(one.generator, again.generator) and np.array_equal(one.colours, again.colours)
    assert not np.array_equal(one.generator, other.generator)


def agreement(one: np.ndarray, two: np.ndarray) -> float:
    """z-score of the correlation of two series of independent measurements."""
    return float(np.corrcoef(one, two)[0, 1] * np.sqrt(len(one)))


@pytest.mark.parametrize("name", GENERAL)
def test_chains_are_independent_unless_they_share_a_seed(name):
    sampler, model, T = SAMPLERS[name], Ising(), 2.6
    series = []
    for word, temperature in (("a", T), ("b", T), ("a", T), ("a", 1.01 * T)):
        state = start(sampler, model, (4, 4), temperature, sequence(word))
        series.append(advance(sampler, model, temperature, state, 4000, 30)["energy"])
    assert abs(agreement(series[0], series[1])) < 4
    assert agreement(series[0], series[2]) > 20
    if name.startswith(("metropolis", "heat-bath")):
        # The same words at almost the same temperature: chains that the temperature alone does not separate.
        assert agreement(series[0], series[3]) > 4


@pytest.mark.parametrize("name", ["metropolis", "heat-bath"])
def test_a_checkerboard_refuses_odd_sides_and_names_the_alternatives(name):
    with pytest.raises(InputError, match=rf"not 3 x 4; use {name}-random, wolff or swendsen-wang"):
        start(SAMPLERS[name], Ising(), (3, 4), 2.0, sequence())


@pytest.mark.parametrize(
    ("name", "model", "T", "message"),
    [
        ("wolff", Ising(h=0.1), 2.0, "wolff has no field, and h is 0.1"),
        ("swendsen-wang", Ising(h=0.1), 2.0, "swendsen-wang has no field"),
        ("wolff", Potts(3, J=-1), 2.0, "wolff does not serve a Potts model with J < 0"),
        ("swendsen-wang", Potts(4, J=-1), 2.0, "swendsen-wang does not serve"),
        ("wolff", Ising(), np.inf, "exactly one spin per step"),
        ("metropolis", Ising(), -1.0, "above 0"),
    ],
)
def test_what_a_sampler_cannot_do_is_refused(name, model, T, message):
    with pytest.raises(InputError, match=message):
        start(SAMPLERS[name], model, (4, 4), T, sequence())


def test_foreign_states_and_numbers_are_refused():
    sampler = SAMPLERS["swendsen-wang"]
    state = start(sampler, Potts(3), (4, 4), 2.0, sequence())
    good = start(sampler, Ising(), (4, 4), 2.0, sequence()).arrays()
    for change, message in (
        ({"colours": np.full((4, 4), 2, np.int8)}, "colours 0 to 1 only"),
        ({"colours": np.zeros((4, 4), int)}, "contiguous int8"),
        ({"generator": np.zeros(4, np.uint64)}, "not all zero"),
    ):
        with pytest.raises(InputError, match=message):
            advance(sampler, Ising(), 2.0, State.from_arrays(good | change), 1)
    with pytest.raises(InputError, match="interval >= 1"):
        advance(sampler, Potts(3), 2.0, state, 1, 0)


@pytest.mark.parametrize(
    ("rows", "first"),
    [
        (Rows(np.zeros((3, len(COLUMNS))), np.zeros((0, 2, 2), np.int8)), "energy, m, m2"),
        (VectorRows(np.zeros((1, 3, len(VECTOR_COLUMNS))), np.zeros((1, 0, 2, 2, 2))), "energy, force"),
    ],
    ids=["lattice", "vectors"],
)
def test_a_column_that_is_not_there_is_refused_with_those_that_are(rows, first):
    assert np.all(rows["energy"] == 0)
    with pytest.raises(InputError, match=f"no column 'banana'; choose one of {first}"):
        rows["banana"]


@pytest.mark.parametrize("T", [2.0, 3.0])
@pytest.mark.parametrize("shape", [(4, 128), (258, 128), (262, 256), (516, 128)])
def test_words_begin_as_the_colours_of_the_model_would(shape, T):
    model = Ising()
    state = start(SAMPLERS["multispin"], model, shape, T, sequence("words"))
    colours = model.initial(shape, rng.generator(rng.child(sequence("words"))), T)
    assert state.packed and state.shape == shape
    assert np.array_equal(state.configuration, colours)
    unpacked = State(colours, state.generator.copy())
    rows, others = (advance(SAMPLERS["multispin"], model, T, s, 3, 2, 1) for s in (state, unpacked))
    assert np.array_equal(rows.values, others.values) and np.array_equal(rows.snapshots, others.snapshots)
    assert np.array_equal(state.configuration, unpacked.colours)


def test_words_are_for_the_sampler_that_has_them():
    state = start(SAMPLERS["multispin"], Ising(), (4, 128), 3.0, sequence())
    for sampler, model in ((SAMPLERS["metropolis"], Ising()), (SAMPLERS["multispin"], Potts(3))):
        with pytest.raises(InputError, match="words of spins"):
            advance(sampler, model, 3.0, state, 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process that does not count its parent's")
def test_a_chain_of_words_needs_an_eighth_of_a_byte_for_a_spin():
    code = """
from physnn import rng
from physnn.models import Ising
from physnn.samplers import SAMPLERS, advance, start
def run(L):
    state = start(SAMPLERS["multispin"], Ising(), (L, L), 2.3, rng.seed_sequence(0, "synthetic", "memory", L))
    advance(SAMPLERS["multispin"], Ising(), 2.3, state, 2)
def peak():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
run(128)
before = peak()
run(32768)
print(peak() - before)
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert 128 * 1024 < int(said.stdout) < 256 * 1024
