"""Colour images: those that are made, those that are read, and answers that need no network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from physnn import rng
from physnn.errors import InputError
from physnn.networks.colour.bars import PATCH, bars, ridge_of, sample_errors
from physnn.networks.colour.pictures import (
    DISC_COLOURS,
    SHARE_OF_FIRST,
    ColourPictures,
    coloured_shapes,
    grey_of,
    load_pictures,
)

DRAWN = rng.stream(0, "synthetic", "pictures").integers(0, 256, (12, 3, 8, 8)).astype(np.uint8)


def test_discs_have_two_colours_of_one_grey_in_their_shares():
    images = coloured_shapes(300, 8, "train")
    assert (coloured_shapes(5, 8, "train") == images[:5]).all()
    assert not (coloured_shapes(5, 8, "test") == images[:5]).all()
    middles = np.abs(images.transpose(0, 2, 3, 1)[..., None, :] - np.array(DISC_COLOURS)).max(-1).min((1, 2)) < 1e-6
    assert not middles.all(1).any()
    discs, first = middles.any(1).sum(), middles[:, 0].sum()
    assert abs(discs - 100) < 4 * np.sqrt(300 * 2 / 9)
    assert abs(first / discs - SHARE_OF_FIRST) < 4 * np.sqrt(SHARE_OF_FIRST * (1 - SHARE_OF_FIRST) / discs)
    a, b = grey_of(np.array(DISC_COLOURS)[:, :, None, None]).ravel()
    assert a == pytest.approx(b, abs=1e-4)


def test_errors_of_samples_are_those_of_loops():
    draw = rng.stream(0, "synthetic", "samples")
    samples, truth = draw.random((2, 3, 4, 3, 2, 2)), draw.random((3, 3, 2, 2))
    found = sample_errors(samples, truth)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    for seed, own in enumerate(samples):
        assert found["error"][seed] == pytest.approx(np.mean([abs(own[:, k] - truth).mean() for k in range(4)]))
        assert found["mean_error"][seed] == pytest.approx(abs(own.mean(1) - truth).mean())
        apart = np.mean([abs(own[:, i] - own[:, j]).mean() for i, j in pairs])
        assert found["diversity"][seed] == pytest.approx(apart)
    # Samples as the truth is drawn have the best score; grey ones a smaller error, and a worse score.
    world = np.where(draw.random((2000, 3, 1, 1)) < 0.5, 0.0, 1.0)
    right = sample_errors(np.where(draw.random((2000, 2, 3, 1, 1)) < 0.5, 0.0, 1.0), world)
    grey = sample_errors(np.full((2000, 2, 3, 1, 1), 0.5), world)
    assert grey["error"] == 0.5 and right["error"] - right["diversity"] / 2 == pytest.approx(0.25, abs=0.03)
    assert grey["error"] - grey["diversity"] / 2 == 0.5


def test_bars_are_those_of_their_formulas():
    draw = rng.stream(0, "synthetic", "bars")
    grey = draw.random((30, 1, 8, 8))
    shift = np.array([0.1, -0.05, 0.02])
    shift -= np.array([0.299, 0.587, 0.114]) @ shift
    tint = 0.2 * (grey - 0.5) * np.array([1.0, 0, -0.299 / 0.114])[:, None, None]
    images = grey + shift[:, None, None] + tint
    found = bars(ColourPictures(images[:20], images[20:], ""))
    assert found["grey"] == pytest.approx(np.abs(images[20:] - grey[20:]).mean())
    mean = shift[:, None, None] + tint[:20].mean((0, 2, 3))[:, None, None]
    assert found["chroma"] == pytest.approx(np.abs(images[20:] - grey[20:] - mean).mean())
    assert found["ridge"] < 0.1 * found["chroma"] < 0.1 * found["grey"]
    weights = ridge_of(images)
    assert weights.shape == (PATCH**2 + 1, 3)
    assert weights[PATCH**2 // 2, 0] == pytest.approx(0.2, abs=0.01) and np.abs(weights[0]).max() < 0.01


def test_images_are_read_from_arrays_and_folders(tmp_path):
    np.save(tmp_path / "plain.npy", DRAWN)
    np.savez(tmp_path / "plain.npz", images=DRAWN.transpose(0, 2, 3, 1))
    np.savez(tmp_path / "labelled.npz", images=DRAWN, labels=np.arange(12) % 2)
    (tmp_path / "folder").mkdir()
    for k, image in enumerate(DRAWN):
        Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / "folder" / f"{k:02}.png")
    found = {name: load_pictures(str(tmp_path / name), 8, None, 3) for name in ("plain.npy", "plain.npz", "folder")}
    assert len({each.digest for each in found.values()}) == 1
    own = found["folder"]
    assert own.train.shape == (9, 3, 8, 8) and own.test.shape == (3, 3, 8, 8)
    both = np.concatenate([own.train, own.test])
    assert sorted(both.sum((1, 2, 3))) == pytest.approx(sorted((DRAWN / 255).sum((1, 2, 3))), rel=1e-5)
    half = load_pictures(str(tmp_path / "plain.npy"), 4, 5, 3)
    assert half.train.shape == (5, 3, 4, 4)
    assert half.test[0, :, 0, 0] == pytest.approx(own.test[0, :, :2, :2].mean((1, 2)), rel=1e-5)
    assert len(load_pictures(str(tmp_path / "labelled.npz"), 8, 6, 2).train) == 6


def test_images_that_cannot_be_coloured_are_refused(tmp_path):
    def refused(name: str, words: str, side: int = 8, test: int = 2) -> None:
        with pytest.raises(InputError, match=words):
            load_pictures(str(tmp_path / name), side, None, test)

    np.save(tmp_path / "plain.npy", DRAWN)
    refused("plain.npy", "which do not become 3 x 3", side=3)
    refused("plain.npy", "too few", test=12)
    np.save(tmp_path / "grey.npy", DRAWN[:, 0])
    refused("grey.npy", "are grey")
    np.save(tmp_path / "large.npy", DRAWN.astype(np.float32))
    refused("large.npy", "numbers from 0 to 1")
    np.save(tmp_path / "wide.npy", DRAWN[:, :, :4])
    refused("wide.npy", "give square")
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    refused("objects.npy", "save plain arrays")
    (tmp_path / "cut.npy").write_bytes((tmp_path / "plain.npy").read_bytes()[:-1])
    refused("cut.npy", "that the file does not hold")
    (tmp_path / "text.npy").write_bytes(b"no array")
    refused("text.npy", "is no npy file")
    np.savez(tmp_path / "other.npz", pixels=DRAWN)
    refused("other.npz", "must hold arrays images and labels")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.png").write_bytes(b"no image")
    refused("folder", "cannot be read as an image")
    refused("none", "there is nothing at")
