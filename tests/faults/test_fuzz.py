"""Mutated, truncated and flipped files, half of them sealed anew: refused, or read as they were."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.samples.kinds import KINDS as SAMPLES
from physnn.store.ensemble_file import read_ensembles, write_ensembles
from physnn.store.guard import TRAILER_LENGTH, check_seal
from physnn.store.hdf5 import write_sealed
from physnn.store.inspect import read_untrusted
from physnn.store.network_file import read_networks, write_networks
from physnn.store.parts import read_part, write_part, write_state
from physnn.store.sweep_file import read_sweep, write_sweep
from tests.every_kind import kept
from tests.faults.fuzz import alike, campaign, made, mutant, numbers, outcome, outcomes
from tests.faults.sealing import sealed

FIXTURES = Path(__file__).parent.parent / "store" / "fixtures" / "v1"
ORIGINALS = {kind: kept(kind) for kind in (*SAMPLES, "distance", "part")}
"""A small file of every kind: those of samples, and others."""
KINDS = ("sweep", "temperature", "network", "ensemble")


def written(kind: str, path: Path) -> Path:
    """A small file of a kind, as physnn writes it now."""
    old = FIXTURES / f"{kind}.h5"
    if kind == "network":
        file = read_networks(old)
        trained = [
            {name: w[k] for name, w in file.weights.items()}
            | {"loss": file.loss[k], "validation_rmse": file.validation_rmse[k]}
            for k in range(len(file.seeds))
        ]
        write_networks(path, file.architecture, file.recipe, file.seeds, trained)
    elif kind == "ensemble":
        found = read_ensembles(old)
        write_ensembles(path, found.recipe, found.ensembles)
    else:
        sweep = read_sweep(old)
        write_sweep(path, sweep.recipe, sweep.sizes)
    return path


def mutants(original: Path, count: int, folder: Path) -> list[Path]:
    generator = rng.stream(0, "synthetic", "mutants", original.stem)
    whole, paths = original.read_bytes(), []
    for k in range(count):
        paths.append(folder / f"{original.stem}-{k}.h5")
        paths[-1].write_bytes(mutant(whole, generator, reseal=k % 2 == 1))
    return paths


def check(kind: str, count: int, folder: Path) -> list[Path]:
    """Read mutants in processes of their own; return those that are sealed."""
    original = written(kind, folder / f"{kind}.h5")
    paths = mutants(original, count, folder)
    found = outcomes(paths, original)
    print(kind, Counter(found[::2]), "sealed anew:", Counter(found[1::2]))
    assert set(found[::2]) <= {"refused"}, "without a valid seal nothing is read"
    assert set(found[1::2]) <= {"refused", "same"}
    assert "refused" in found[1::2]
    return paths[1::2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_of_mutants_is_refused_or_unchanged(tmp_path, kind):
    again = check(kind, 100 if kind in ("sweep", "network") else 40, tmp_path)
    findings = [read_untrusted(path) for path in again[:1]]
    assert all(f.whole or f.reason for f in findings)


def test_every_kind_of_sample_has_a_file_to_damage():
    """A new kind needs settings in `tests.samples.smallest`; ``python -m tests.every_kind`` makes its file."""
    assert not [kind for kind, path in ORIGINALS.items() if not path.exists()]


@pytest.mark.parametrize("first", [1, 101])
def test_some_lies_of_every_kind_are_refused_or_harmless(tmp_path, first):
    bad, seen = [], Counter()
    for n, (kind, original) in enumerate(ORIGINALS.items()):
        change, whole = made(original, first + 2 * n)
        (tmp_path / f"{kind}.h5").write_bytes(whole)
        word, said = outcome(tmp_path / f"{kind}.h5", numbers(original))
        seen[word] += 1
        bad += [] if word in ("refused", "same") else [(kind, first + 2 * n, change, word, said)]
    assert not bad and seen["refused"] > len(ORIGINALS) / 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ORIGINALS)
def test_mutants_of_every_kind_are_refused_in_one_line_or_unchanged(tmp_path, kind):
    found = list(campaign(ORIGINALS[kind], 0, 300, tmp_path))
    assert len(found) == 300 and len({change for _, change, _, _ in found}) > 3
    assert not [each for each in found if each[2] not in ("refused", "same", "unseen")]
    assert sum(word == "unseen" for _, _, word, _ in found) < 3
    assert {word for _, change, word, _ in found if change == "bytes"} == {"refused"}


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("kind", KINDS)
def test_3000_mutants_are_refused_or_unchanged_and_verify_survives_them(tmp_path, kind):
    again = check(kind, 3000, tmp_path)
    with ThreadPoolExecutor(int(os.environ.get("PHYSNN_FUZZ_THREADS", "2"))) as pool:
        findings = list(pool.map(read_untrusted, again))
    assert len(findings) == 1500
    assert not [f.reason for f in findings if "crashes" in f.reason or "within" in f.reason]
    assert any(f.whole for f in findings) and not all(f.whole for f in findings)


def test_the_check_of_mutants_sees_a_changed_number(tmp_path):
    original, other = written("sweep", tmp_path / "a.h5"), tmp_path / "b.h5"
    sweep = read_sweep(original)
    sweep.sizes[20]["rmse"].values[0, 0, 0] += 1e-9
    write_sweep(other, sweep.recipe, sweep.sizes)
    assert numbers(original) != numbers(other)
    assert outcomes([original, other, tmp_path / "none.h5"], original) == ["same", "other", "refused"]


def test_a_change_that_checksums_do_not_see_is_known(tmp_path):
    """Two bytes of 0 become 255: HDF5 reads another number, and only the seal says so."""
    values = np.array([0, 3, 0, 7], "<i2")
    write_part(tmp_path / "p.h5", {"y": values})
    whole = (tmp_path / "p.h5").read_bytes()
    at = whole.index(values.tobytes())
    other = whole[:at] + b"\xff\xff" + whole[at + 2 :]
    (tmp_path / "p.h5").write_bytes(other)
    with pytest.raises(InputError, match="do not match its seal"):
        read_part(tmp_path / "p.h5")
    (tmp_path / "p.h5").write_bytes(sealed(other[:-TRAILER_LENGTH]))
    assert read_part(tmp_path / "p.h5")["y"].tolist() == [-1, 3, 0, 7]
    assert alike(whole, other) and alike(b"x" + whole, b"x" + other)
    assert not alike(whole, whole[:at] + b"\xff\xfe" + whole[at + 2 :]) and not alike(whole, whole[:-1])


@pytest.fixture
def small(tmp_path) -> Path:
    write_part(tmp_path / "p.h5", {"y": np.arange(3), "done": np.array(7)})
    return tmp_path / "p.h5"


EVERY = [7, pytest.param(1, marks=pytest.mark.slow)]
"""Every so many bytes."""


@pytest.mark.parametrize("every", EVERY)
def test_truncation_at_every_byte_and_every_flipped_byte_are_seen(small, every):
    whole = small.read_bytes()
    for at in range(0, len(whole), every):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :]):
            small.write_bytes(damaged)
            with pytest.raises(InputError):
                check_seal(small)
    for at in range(0, len(whole) - 16, 16 * every):
        if any(whole[at : at + 16]):
            small.write_bytes(whole[:at] + bytes(16) + whole[at + 16 :])
            with pytest.raises(InputError):
                check_seal(small)


@pytest.mark.parametrize("every", EVERY)
def test_every_flipped_byte_of_a_file_sealed_anew_is_refused_or_harmless(small, every):
    whole = read_part(small)
    body = small.read_bytes()[:-TRAILER_LENGTH]
    refused = 0
    for at in range(0, len(body), every):
        damaged = body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1 :]
        small.write_bytes(sealed(damaged))
        try:
            found = read_part(small)
        except InputError:
            refused += 1
            continue
        assert set(found) == set(whole) and all(np.array_equal(found[k], v) for k, v in whole.items()), at
    assert refused > len(body) / every / 4


def test_numbers_without_dimensions_are_under_a_checksum_too(tmp_path):
    path = tmp_path / "n.h5"
    write_sealed(path, {"/": {}}, {"format": "physnn-part", "format_version": 1})
    write_state(path, {"done": np.array(0x1122334455667788)})
    assert read_part(path)["done"] == 0x1122334455667788
    whole = path.read_bytes()
    at = whole.index(bytes.fromhex("8877665544332211"))
    body = whole[:at] + b"\0" + whole[at + 1 : -TRAILER_LENGTH]
    path.write_bytes(sealed(body))
    with pytest.raises(InputError):
        read_part(path)
