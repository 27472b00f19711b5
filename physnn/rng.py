"""Random streams keyed by content: the only place where randomness is seeded.

A stream is named by a root seed and key words such as ``("image", network_id, L, 7)``.  The words say *what* the
numbers are for, never who draws them or when, so results do not depend on the number of workers, on the order of
tasks or on interruptions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

from physnn.errors import InputError

STREAMS = {
    "weights": "initial weights of a network: (seed)",
    "batch": "training images of one optimiser step: (seed, epoch, batch); noise that a diffusion model learns: "
    "(colour, form, step)",
    "depth": "depth at which one optimiser step compares output and target: (seed, epoch, batch)",
    "order": "order in which a replica sees the images of an epoch: (seed, epoch)",
    "position": "element of a point group that acts on each image of an epoch: (seed, epoch)",
    "label": "places of labels in the plane, by class or image: (seed, kind)",
    "dropout": "what dropout leaves out of a replica in an epoch: (seed, epoch)",
    "validation": "fresh images that a trained network is scored on: (seed)",
    "image": "images shown to a network in a sweep: (network, density, L, image)",
    "noise": "counter key of the noise in a network's dynamics: (network, image); of a domain in it: "
    "(memory, network, pattern, L, eta, replica); that samples of a diffusion model begin from: "
    "(colour, image, sample)",
    "chain": "start and moves of a Markov chain: (model, q, coupling, field, algorithm, L, T, chain), of a ladder "
    "(..., tempering, L, every T, chain); of unit vectors: "
    "(vectors, order or seam, model, ..., L, T); runs of percolation: (percolation, L, series); world lines: "
    "(path-integral, model, dimension, open, beta, L, h, chain)",
    "oscillators": "natural frequencies, first phases and noise of oscillators: (realisation, N, series, bin); "
    "(noise, N, series, bin, K)",
    "ties": "colours of blocks in which several are equally frequent, and permuted sites: (L, T, chain)",
    "subset": "which images or points form a subset or a split of a data set: (purpose)",
    "fill": "random numbers between the pixels of expanded images: (kind); (colour, form, step)",
    "control": "what a control does to an image that is shown to a network: (change, image)",
    "bootstrap": "resampling of groups and samples in an analysis: (purpose)",
    "projection": "directions and embeddings that weights are seen through: (purpose, ...)",
    "figure": "examples drawn for a figure or a demonstration: (name, ...)",
    "synthetic": "data made with a known answer, to test an analysis: (name, ...)",
    "user": "whatever users of the package draw: (any words)",
}
"""Names of all streams, with the numbers they give and the key words that follow."""

Word = str | int | float


def seed_sequence(root: int, name: str, *words: Word) -> np.random.SeedSequence:
    """Seed sequence of the stream ``name`` with further key words.

    The spawn key is the SHA-256 digest of the words' JSON form (eight 32-bit words), so that two different
    contents share a stream only if SHA-256 collides.

    Parameters
    ----------
    root : int
        Root seed, ``>= 0``.
    name : str
        A name of `STREAMS`; ``"user"`` is not used inside physnn, whatever the words that follow.
    *words : str, int or float
        What the numbers are for; numbers of numpy count as Python's.

    Raises
    ------
    InputError
        If ``name`` is not in `STREAMS`, ``root`` is no integer or negative, or a word is no text or finite number.
    """
    if name not in STREAMS:
        raise InputError(
            f'there is no random stream {name!r}; streams of your own are "user" with further words, as in '
            f'stream(0, "user", {name!r})'
        )
    if isinstance(root, bool) or not isinstance(root, int | np.integer) or root < 0:
        raise InputError(f"a seed must be a non-negative integer, not {root!r}; try --seed 0")
    plain = [word.item() if isinstance(word, np.generic) else word for word in words]
    try:
        text = json.dumps([name, *plain], separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise InputError(f"words of a random stream are texts and finite numbers, not {plain}") from None
    digest = hashlib.sha256(text.encode()).digest()
    return np.random.SeedSequence(int(root), spawn_key=tuple(np.frombuffer(digest, "<u4").tolist()))


def stream(root: int, name: str, *words: Word) -> np.random.Generator:
    """Numpy generator (PCG64) of a stream; see `seed_sequence` for parameters and errors."""
    return generator(seed_sequence(root, name, *words))


def generator(sequence: np.random.SeedSequence) -> np.random.Generator:
    """Numpy generator (PCG64) of a seed sequence."""
    return np.random.Generator(np.random.PCG64(sequence))


def drawn_from(words: Sequence[int]) -> np.random.Generator:
    """Numpy generator (SFC64) that follows from words that are random themselves, such as a compiled loop's state."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(list(words))))


def whole_seed(sequence: np.random.SeedSequence) -> int:
    """Number of 63 bits, from which generators of other libraries begin."""
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)


def child(sequence: np.random.SeedSequence, *numbers: int) -> np.random.SeedSequence:
    """Child of a seed sequence, which is not changed: the first, or that of some numbers."""
    return np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, *(numbers or (0,))))


def counter_key(root: int, name: str, *words: Word) -> np.ndarray:
    """Key of a counter-based stream: two 32-bit words, shape ``(2,)``, dtype uint32."""
    return seed_sequence(root, name, *words).generate_state(2, np.uint32)
