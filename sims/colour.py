"""Does expanding images help a diffusion model to colour them, at equal work, and does the metric tell?

Source: sections 2.3 and 6.3.1 of "Symmetry Breaking in Neural Network Optimization: Insights from Input Dimension
Expansion", which expands colour images and their grey versions by 2, leaves the filled pixels out of the loss, and
reports a smaller mean absolute error of sampled colours.  Here the same networks are trained from the same seeds, in
the same order of batches and with the same noise on raw images, on expanded ones, on enlarged ones (the same work), and
on raw ones for as many more steps as expanded ones cost; raw networks from other seeds are the null.  Beside the mean
absolute error, which no sample can have smaller than the conditional median, there is a score of distributions, and the
errors of answers that need no network.

Run: python sims/colour.py [DATA [FOLDER [SEEDS [STEPS]]]]; four seeds and 200 steps take five minutes of an idle core.
DATA is what `physnn train colour --data` takes, by default shapes, or a folder with CIFAR-10 as sheets of 100 x 100
tiles, train_0.webp.  Trained networks are kept in the folder, so that more seeds continue.
"""

import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from physnn import api
from physnn.analysis.statistics.estimate import mean_over
from physnn.answers.plots import plot_colour
from physnn.answers.training.colour import colour_answers, colour_arrays
from physnn.samples.cost import plan
from physnn.store.sweep_file import read_sweep

FIGURES = Path("docs/figures")
NAMES = ("colour.png", "colour-pictures.png")
"""Figures of the study: curves, and the sheet of pictures beside them."""
SETTINGS = {"side": (16,), "width": 8, "levels": 3, "batch": 16, "lr": 3e-3, "ema": 0.98, "images": 8000}
SAMPLING = {"test": 16, "samples": 3, "sampling_steps": 10}
"""Networks and images that two cores can do, and how they are sampled."""
TILE = 32
"""Rows and columns of a tile."""


def images_of(data: str, folder: Path) -> str:
    """Path of the images, cut out of a sheet of tiles where that is what is there."""
    sheet, out = Path(data) / "train_0.webp", folder / f"{Path(data).name}.npy"
    if not sheet.is_file():
        return data
    if not out.exists():
        pixels = np.asarray(Image.open(sheet).convert("RGB"))
        rows, columns = (n // TILE for n in pixels.shape[:2])
        tiles = pixels.reshape(rows, TILE, columns, TILE, 3).swapaxes(1, 2).reshape(-1, TILE, TILE, 3)
        np.save(out, tiles.transpose(0, 3, 1, 2))
    return str(out)


def main(data: str = "shapes", folder: str = "sims/output", seeds: str = "4", steps: str = "200") -> None:
    """Train, print errors, bars and claims, and draw curves and pictures."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    start, name = time.perf_counter(), "shapes" if data == "shapes" else Path(data).name
    settings = SETTINGS | SAMPLING | {"seeds": tuple(range(int(seeds))), "steps": int(steps)}
    out = Path(folder) / f"colour_{name}.h5"
    recipe = api.recipe("train-colour", out, out.exists(), data=images_of(data, Path(folder)), **settings)
    print(f"{name}: {plan(recipe, 1)['seconds'] / 3600:.2g} core-hours", flush=True)
    api.run(recipe, out, jobs=1, extend=out.exists())
    for answer in colour_answers(out):
        arrays = colour_arrays(read_sweep(out))[answer.side]
        shown = arrays["samples"].mean((-1, -2)) - arrays["truth"].mean((-1, -2))[:, None]
        tints = np.abs(shown / 255).mean((2, 3, 4))
        for k, arm in enumerate(answer.diverged):
            print(f"{arm}: error of the mean colour of an image {mean_over(tints[k])}, of the images that are kept")
            print(f"{arm}: loss {answer.loss[arm]}, by level {', '.join(map(str, answer.by_level[arm]))}")
            errors = f"error {answer.error[arm]}, of the mean {answer.mean_error[arm]}"
            print(f"{arm}: {errors}, diversity {answer.diversity[arm]}, score {answer.crps[arm]}")
        print(", ".join(f"{bar} {error:.4f}" for bar, error in answer.bars.items()))
        for judged, told in answer.claims.items():
            for c in told:
                print(f"{judged}, {c.form} after {c.mark}: {c.difference} in log10, p = {c.p_value:.1g}: {c.verdict}")
    print(*plot_colour(out, FIGURES / NAMES[0]), f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
