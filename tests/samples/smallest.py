"""Smallest settings of every kind of sample, and the data that they need."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from physnn import api, rng

NET = """
import torch
from torch import nn

class Net(nn.Module):
    side, channels, mean, sd, layers = 16, 3, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), ("0", "3")

    def __init__(self, weights):
        super().__init__()
        torch.manual_seed(0)
        self.rows = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3, 2, 1))
        self.layers = ("rows.0", "rows.2", "rows.3")

    def forward(self, x):
        return self.rows(x).mean((2, 3))
"""
REVIEWS = {
    "arms": ("none", "linear-small", "zeros", "constants"),
    "seeds": (0, 1),
    "train": 24,
    "validation": 6,
    "tokens": 8,
    "vocabulary": 60,
    "layers": 1,
    "hidden": 4,
    "heads": 2,
    "feed_forward": 4,
    "batch": 6,
    "steps": 6,
    "precision": "float64",
}
WORDS = ["the", "film", "is", "a", "plot", "of", "scenes", "and", "this", "was", "some", "music", "with", "actors"]
ISING = {"L": (2, 3), "T": (2.0, 3.0), "sweeps": 400, "chains": 2, "snapshots": 2, "thermalisation": 50}
FEW = {"hidden": (8,), "steps": 100, "batch": 50, "chains": 50, "samples": 200, "thin": 2, "keep": 10, "anneal": 10}
SETTINGS = {
    "noise": {"L": (20, 24), "eta": (0.0, 0.1, 0.2, 0.3), "images": 5, "networks": ["kuramoto_symmetric"]},
    "temperature": ISING,
    "percolation": {"L": (4, 6), "p": (0.5, 0.59, 0.7), "runs": 64, "series": 2},
    "coupling": {"N": (9, 16), "K": (0.5, 1.5), "duration": 2.0, "series": 2, "realisations": 2, "step": 0.1},
    "path-integral": {"L": (3, 4), "h": (0.8, 1.3), "sweeps": 200, "thermalisation": 5, "chains": 2},
    "equilibrium": {
        "L": (4, 6),
        "T": (0.9, 1.1),
        "model": ("xy",),
        "sweeps": 1000,
        "thermalisation": 50,
        "interval": 5,
    },
    "memory": {"L": (8, 12), "eta": (1.0, 3.0), "model": ("diagonal", "1", "0"), "replicas": 4, "longest": 300},
    "seam": {"L": (4, 5, 6), "T": (0.4,), "axes": (0,), "measurements": 800, "words": {"wall": ("diagonal", "1", "0")}},
    "ground-state": {
        **{"model": "tfim", "L": (4,), "h": (0.5, 1.0), "alpha": 1, "samples": 32, "doublings": 1, "steps": 24},
        **{"measurements": 256, "seeds": (0, 1, 2, 3)},
    },
    "landscape": {"layers": (1, 3, 3, 2, 1), "points": 8},
    "landscape-sampling": {"layers": (1, 2, 2, 1), "points": 8, "walkers": 3, "moves": 25_000},
    "train-kuramoto": {
        **{"L": 20, "steps": 2, "epochs": 2, "pairs_per_epoch": 8, "batch": 4, "validation_pairs": 8},
        **{"seeds": (0, 1, 2), "device": "cpu"},
    },
    "train-eos": {"arms": ("raw", "expanded", "law"), "seeds": (0, 1), "steps": 20, "constants": (2.0, -1.0)},
    "train-pde": {
        **{"problem": "burgers", "arms": ("raw", "expanded"), "seeds": (0, 1), "steps": 20, "points": 16, "depth": 2},
        **{"width": (6, 8), "constants": (2.0, -1.0), "engine": "torch"},
    },
    "train-rbm": {"data": "{ising}", **FEW},
    "train-colour": {
        **{"arms": ("raw", "expanded", "longer"), "seeds": (0, 1), "steps": 2, "side": (4,), "width": 4, "levels": 1},
        **{"images": 8, "test": 1, "batch": 2, "times": 20, "samples": 2, "sampling_steps": 3},
    },
    "train-sentiment": {"data": "{reviews}", **REVIEWS},
    "train-labels": {"train": 110, "test": 40, "epochs": 1, "seeds": (0, 1), "rates": (1e-2,), "engine": "loop"},
    "recall": {"data": "{vectors}", "splits": 3, "shots": (1, 2)},
    "energy-map": {"module": "{net}:Net", "images": "{images}", "batch": 6, "conditions": ("none", "mirror")},
}
"""Smallest settings of every kind; names in braces are files of the fixture."""


def make_places(folder: Path) -> dict[str, str]:
    """Files with data that kinds need, by name."""
    g = rng.stream(0, "synthetic", "reviews")
    api.run(api.recipe("temperature", **ISING), folder / "ising.h5", jobs=1)
    lines = []
    for part in ("train", "test"):
        for k in range(40):
            text = " ".join([*g.choice(WORDS, 6), ("awful", "great")[k % 2]])
            lines.append(json.dumps({"split": part, "label": k % 2, "text": text}))
    (folder / "reviews.jsonl").write_text("\n".join(lines))
    (folder / "net.py").write_text(NET)
    for name in ("blue", "red"):
        (folder / "images" / name).mkdir(parents=True)
        for n in range(6):
            values = g.integers(0, 255, (20, 24, 3)).astype("uint8")
            Image.fromarray(values).save(folder / "images" / name / f"{n}.png")
    names = {"ising": "ising.h5", "reviews": "reviews.jsonl", "net": "net.py", "images": "images"}
    found = {name: str(folder / place) for name, place in names.items()} | {"folder": str(folder)}
    vectors = folder / "vectors.h5"
    how = {"module": f"{found['net']}:Net", "images": found["images"], "vectors": True}
    api.run(api.recipe("energy-map", conditions=("none", "grain"), **how), vectors, jobs=1)
    return found | {"vectors": str(vectors)}


def made(kind: str, places: dict[str, str]) -> Path:
    """File of a kind."""
    out = Path(places["folder"]) / f"{kind}.h5"
    if not out.exists() and kind == "train-classify":
        from physnn.samples.training.classifiers import train_ensembles  # with torch
        from tests.samples.training.test_ensembles import MEMBERS

        train_ensembles(MEMBERS, (0, 1, 2), out=out, jobs=1)
    elif not out.exists():
        given = {n: v.format(**places) if isinstance(v, str) else v for n, v in SETTINGS[kind].items()}
        api.run(api.recipe(kind, **given), out, jobs=1)
    return out
