"""What a file of energy maps says about class angles: are there any, and what makes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.bottleneck.agreement import (
    Agreement,
    Composition,
    MirrorTest,
    composition,
    following,
    halves_agree,
    mirror_test,
    unhalved,
)
from physnn.analysis.bottleneck.circle import OnCircle, on_circle
from physnn.analysis.bottleneck.class_angle import BetweenClasses, ClassAngles, class_angles
from physnn.analysis.bottleneck.decomposition import ALPHA
from physnn.analysis.bottleneck.moments import gradient_centroids
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.frames import Tabled
from physnn.analysis.statistics.plain import fields_json
from physnn.answers.bottleneck.energy import EnergyFile, energy_file
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent

READ_TOGETHER = 32
"""Images that are read at once for their gradients."""
GONE, STAYED = 0.25, 0.5
"""Share of the deviations under a control below which they are gone, and above which they stayed (conventions)."""


@dataclass(frozen=True)
class UnderControl:
    """Class angles under another control, beside those of the images as they are.

    Attributes
    ----------
    between : BetweenClasses
        Share of the variance in the plane that lies between classes.
    agrees : Agreement
        With the images as they are, one half of every class with the other; its slope is how much is left.
    follows : Estimate, optional
        Of ``crop``: how far points go with what is moved inside the frame.
    """

    control: str
    between: BetweenClasses
    agrees: Agreement
    follows: Estimate | None = None


@dataclass(frozen=True)
class OtherNetwork:
    """Agreement with a layer of another file; ``halved`` where both saw the same images."""

    network: str
    layer: str
    classes: int
    halved: bool
    agrees: Agreement


@dataclass(frozen=True)
class AngleVerdict:
    """A claim, ``yes``, ``no``, ``undecided`` or another word for what was found, and what that rests on."""

    claim: str
    verdict: str
    reason: str


@dataclass(frozen=True)
class AngleAnswer(Tabled):
    """Class angles of a layer and what they rest on.

    Attributes
    ----------
    middle : tuple of float
        x and y of the middle of the grid of cells, in pixels: where paddings and strides put it.
    halves : Agreement
        Of one half of every class with the other.
    composition : Composition, optional
        With raw gradients; ``left`` is the variance between classes of what they leave.
    lacking : tuple of str
        What was not measured, and what it needs.
    """

    network: str
    layer: str
    images: int
    names: tuple[str, ...]
    middle: tuple[float, float]
    angles: ClassAngles
    halves: Agreement
    circle: OnCircle
    controls: tuple[UnderControl, ...]
    mirror: MirrorTest | None
    composition: Composition | None
    left: BetweenClasses | None
    other: OtherNetwork | None
    lacking: tuple[str, ...]

    @property
    def verdicts(self) -> tuple[AngleVerdict, ...]:
        """What follows for claims, of those that were measured."""
        judges = (_exists, _in_plane, _shared, _moves, _gradients_make, _lies)
        return tuple(verdict for judge in judges if (verdict := judge(self)))

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the classes: degrees, pixels away from what all share, and whether a class has a direction."""
        return [
            {"class": name, "images": e.images, "angle": e.angle, "over images": e.over_images, "away": e.length}
            | {"p": e.p_value, "told": e.told}
            for name, e in zip(self.names, self.angles.directions, strict=True)
        ]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        found = fields_json(self, "composition")
        found["verdicts"] = [fields_json(each) for each in self.verdicts]
        if self.composition:
            found["composition"] = fields_json(self.composition, "rest")
        return found


def layer_places(file: EnergyFile, layer: str | None) -> int:
    """Place of a layer, the deepest without a name; raises InputError if it is not in the file."""
    names = [place.name for place in file.recipe.places]
    if layer is None:
        return len(names) - 1
    if layer not in names:
        raise InputError(f"there is no layer {layer!r} in the file; it has {', '.join(names)}")
    return names.index(layer)


def energy_points(file: EnergyFile, control: str, layer: int) -> np.ndarray:
    """Centres of energy of all images under a control, ``(images, 2)``; raises InputError without that control."""
    if control not in file.recipe.conditions:
        raise InputError(
            f"the images are not in the file as they are; add them: energy-map --extend --control {control}"
        )
    c = file.recipe.conditions.index(control)
    return np.stack([file[name][c, :, layer] for name in ("x", "y")], -1).astype(float)


def angle_answer(
    path: Path, layer: str | None = None, other: Path | None = None, seed: int = 0, progress: Progress = silent
) -> AngleAnswer:
    """Answer of a finished file of energy maps.

    Parameters
    ----------
    path, layer : Path, str, optional
        File, and the layer by name; the deepest without one.
    other : Path, optional
        File of another network.
    seed : int
        Root seed of permutations and halves.
    progress : callable
        Takes images read, their number, and a text.

    Raises
    ------
    InputError
        If the file has no such layer, no images as they are, or too few classes.
    """
    file = energy_file(path)
    k, recipe, labels = layer_places(file, layer), file.recipe, file["label"]
    points = energy_points(file, "none", k)
    angles = class_angles(points, labels, seed=seed)
    controls = tuple(
        _under(file, name, k, points, seed) for name in recipe.conditions if name not in ("none", "mirror")
    )
    mirrored = energy_points(file, "mirror", k) if "mirror" in recipe.conditions else None
    shown, why = _gradients(file, progress)
    made = composition(points, shown, labels, seed) if shown is not None else None
    lacking = tuple(
        text
        for missing, text in (
            (mirrored is None, "whether angles are in the plane of the image needs --control mirror"),
            ("zero-roll" not in recipe.conditions, "whether they move with the image needs --control zero-roll"),
            (other is None, "whether networks agree needs a second file"),
            (shown is None, f"composition: {why}"),
        )
        if missing
    )
    place = recipe.places[k]
    rows, columns = (float(np.mean(place.centres(axis, recipe.side))) for axis in (0, 1))
    return AngleAnswer(
        recipe.network or str(recipe.module),
        place.name,
        len(labels),
        tuple(recipe.classes[each.label] for each in angles.directions),
        (columns, rows),
        angles,
        halves_agree(points, points, labels, seed=seed),
        on_circle(angles.plane, angles.covariances, seed),
        controls,
        mirror_test(points, mirrored, labels, seed) if mirrored is not None else None,
        made,
        class_angles(made.rest, labels, seed=seed).between["both"] if made is not None else None,
        _beside(file, k, points, energy_file(other), seed) if other else None,
        lacking,
    )


def _under(file: EnergyFile, control: str, k: int, points: np.ndarray, seed: int) -> UnderControl:
    labels, found = file["label"], energy_points(file, control, k)
    between = class_angles(found, labels, seed=seed).between["both"]
    follows = None
    if control == "crop":
        from physnn.networks.pretrained.controls import moved_by_crop

        moved = moved_by_crop(range(len(labels)), file.recipe.side, file.recipe.seed)
        follows = following(found - points, moved, labels)
    return UnderControl(control, between, halves_agree(points, found, labels, seed=seed), follows)


def _gradients(file: EnergyFile, progress: Progress) -> tuple[np.ndarray | None, str]:
    """Centres of raw gradients of the images of a file, or why there are none."""
    from physnn.networks.pretrained.photographs import photographs

    recipe = file.recipe
    try:
        pictures = photographs(recipe.images, recipe.per_class)
    except InputError:
        return None, f"the images are no longer at {recipe.images}"
    if pictures.digest != recipe.image_digest:
        return None, f"the images at {recipe.images} changed since the file was made"
    found = []
    for k in range(0, len(pictures), READ_TOGETHER):
        numbers = range(k, min(k + READ_TOGETHER, len(pictures)))
        found.append(gradient_centroids(pictures.read(numbers, recipe.side, recipe.input_channels, recipe.fit)))
        progress(numbers[-1] + 1, len(pictures), "images read")
    return np.concatenate(found), ""


def _beside(file: EnergyFile, k: int, points: np.ndarray, other: EnergyFile, seed: int) -> OtherNetwork:
    """Agreement with another file: its layer of the same name, or else the one as far from its end."""
    names = [place.name for place in other.recipe.places]
    name = file.recipe.places[k].name
    at = names.index(name) if name in names else max(0, len(names) - (len(file.recipe.places) - k))
    theirs, labels = energy_points(other, "none", at), file["label"]
    shared = [name for name in file.recipe.classes if name in other.recipe.classes]
    if len(shared) < 3:
        raise InputError(f"the files share {len(shared)} classes by name, angles need three; take the same images")
    same = file.recipe.image_digest == other.recipe.image_digest
    if same:
        agrees = halves_agree(points, theirs, labels, seed=seed)
    else:
        numbers = {name: n for n, name in enumerate(shared)}
        own, others = (
            np.array([numbers.get(each.recipe.classes[label], len(shared)) for label in each["label"]])
            for each in (file, other)
        )
        use = own < len(shared), others < len(shared)
        agrees = unhalved(points[use[0]], theirs[use[1]], (own[use[0]], others[use[1]]), seed=seed)
    network = other.recipe.network or str(other.recipe.module)
    return OtherNetwork(network, names[at], len(shared), same, agrees)


def _exists(found: AngleAnswer) -> AngleVerdict:
    both, halves = found.angles.between["both"], found.halves
    told = sum(each.told for each in found.angles.directions)
    reason = (
        f"{both.share} of the variance lies between classes, chance {both.chance:.3f}, p = {both.p_value:.2g}; halves "
        f"agree, cosine {halves.cosine}; {told} of {len(found.names)} classes have an angle"
    )
    seen = both.p_value < ALPHA and halves.p_value < ALPHA and halves.cosine.value > 0
    return AngleVerdict("images of a class share a direction", "yes" if seen else "not seen", reason)


def _in_plane(found: AngleAnswer) -> AngleVerdict | None:
    if found.mirror is None:
        return None
    mirror = found.mirror
    low, high = mirror.x.cosine.interval()
    verdict = "yes" if high < 0 else "no" if low > 0 else "undecided"
    if found.angles.between["x"].p_value >= ALPHA:
        verdict = "undecided"
    reason = (
        f"with mirrored images x of classes has the cosine {mirror.x.cosine}, y {mirror.y.cosine}; of what all classes "
        f"share {mirror.stays} pixels stay, {mirror.flips} flip"
    )
    return AngleVerdict("the direction is one in the plane of the image", verdict, reason)


def _shared(found: AngleAnswer) -> AngleVerdict | None:
    if found.other is None:
        return None
    agrees = found.other.agrees
    seen = agrees.p_value < ALPHA and agrees.cosine.value > 0
    low, high = agrees.cosine.interval()
    verdict = "yes" if seen and low > 0 else "undecided" if high > GONE else "no"
    return AngleVerdict(
        "networks share it", verdict, f"cosine {agrees.cosine} with {found.other.layer} of {found.other.network}"
    )


def _moves(found: AngleAnswer) -> AngleVerdict | None:
    """Whether directions go with what images show where, or stay with the class wherever that is."""
    by_name = {each.control: each for each in found.controls}
    if "zero-roll" not in by_name:
        return None
    rolled = by_name["zero-roll"]
    low, high = rolled.agrees.slope.interval()
    verdict = "yes" if high < GONE else "no" if low > STAYED else "undecided"
    if _exists(found).verdict != "yes":
        verdict = "undecided"
    reason = f"where images are rolled {rolled.agrees.slope} of it is left, p = {rolled.between.p_value:.2g}"
    if "crop" in by_name:
        reason += f"; points follow what is moved inside the frame by {by_name['crop'].follows}"
    return AngleVerdict("it goes with where things are in the images", verdict, reason)


def _gradients_make(found: AngleAnswer) -> AngleVerdict | None:
    if found.composition is None:
        return None
    made = found.composition
    low, high = made.across.interval()
    verdict = "yes" if low > STAYED else "no" if high < STAYED else "undecided"
    if _exists(found).verdict != "yes":
        verdict = "undecided"
    reason = (
        f"cosine {made.agrees.cosine}, p = {made.agrees.p_value:.2g}; they account for {made.within} of its variance "
        f"by what they do within classes, and foretell {made.across} of classes not seen"
    )
    return AngleVerdict("it is where raw gradients are", verdict, reason)


def _lies(found: AngleAnswer) -> AngleVerdict:
    circle = found.circle
    verdict = {"circle": "yes", "undecided": "undecided"}.get(circle.verdict, f"no: {circle.verdict}")
    if _exists(found).verdict != "yes":
        verdict = "undecided"
    reason = (
        f"{circle.axis} of the variance along {circle.degrees:.0f} degrees, p = {circle.p_value:.2g}; "
        f"<r^4>/<r^2>^2 {circle.fourth}: 1 on a circle, 2 in a round cloud"
    )
    return AngleVerdict("angles are uniform on a circle", verdict, reason)
