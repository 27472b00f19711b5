"""Convolutional networks with weights +-1 that tell rows from columns in images of 2 x 2 pixels.

Twelve images: all with pixels -1, 0 or 1 that are constant along exactly one axis.  Six consist of two different
uniform rows (label 0), six of two different uniform columns (label 1).  Flips and rotations by 180 degrees keep the
label, rotations by 90 degrees change it.  The set does not change when all pixels change sign, so without biases an
odd activation makes odd logits and no loss below ln 2: the activation is ReLU.

The network has no biases, and every weight is -1 or +1:

    z = F * image         one 3 x 3 filter, cross-correlation, stride 1, the image padded by zeros: 2 x 2 outputs
    y = ReLU(z)           4 features, in reading order
    a = ReLU(A y)         fully connected, 2 units, A of shape (2, 4)
    logits = B a          B of shape (2, 2), one row for each label
    loss = mean over the 12 images of -ln softmax(logits)[label]      (cross-entropy, nats)

=================  ============  =====================================================================================
variant            free weights  difference
=================  ============  =====================================================================================
baseline           9 + 8 + 4     none
dropout            9 + 8 + 4     each feature y is set to 0 with probability 0.3 and divided by 0.7 otherwise; the loss
                                 is its mean over the 16 masks (those of the 12 images add up one by one), or the loss
                                 at one mask of shape (12, 4) drawn from a seed
batch-norm         9 + 8 + 4     z is divided by its standard deviation over the 48 outputs of the 12 images (biased
                                 variance; the mean is 0, as images come in pairs of opposite sign), with gain 1,
                                 shift 0 and an infinitesimal number added to the variance: the two checkerboard
                                 filters, whose outputs are all 0, keep them; there are no other statistics
equivariant        4 + 8 + 4     F does not change under both flips, hence under 180 degrees: corners, upper and lower
                                 edge, left and right edge, centre
wrong-equivariant  3 + 8 + 4     F does not change under rotations by 90 degrees: corners, edges, centre
invariant          4 + 2 + 4     F does not change under both flips, and each row of A repeats one weight, so that the
                                 logits do not change either
=================  ============  =====================================================================================

Two further ways of putting in the symmetry leave all weights free.  *Augmented data* are all twelve images: flips take
each into itself or into its only companion, so that six of them, the first of every pair, are the data without.
*Averaged logits* are the mean over the image in all positions of a point group.  Flips and 180 degrees (d2) keep the
labels; groups with 90 degrees (c4, d4) do not, and with these the averages of the two classes are the same.

Tied filter weights are one free weight.  A filter of 2 x 2 would not do: unchanged under both flips, it is unchanged
under 90 degrees as well.  The five kinds of network are those of section 6.5 and figure 7 of "Symmetry Breaking in
Neural Network Optimization: Insights from Input Dimension Expansion", which leaves sizes, filters and activation open.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physnn import rng
from physnn.errors import InputError
from physnn.models.groups.representations import PointGroup

_Integers = NDArray[np.int64]

SIGN_CNN_VARIANTS = ("baseline", "dropout", "batch-norm", "equivariant", "wrong-equivariant")
"""Names of the networks that the source has."""
INVARIANT = "invariant"
"""Name of the network whose logits do not change under flips."""
KEEP_TENTHS = 7
"""Dropout keeps a feature with probability 7/10."""
IMAGE_CLASSES = ("rows", "columns")
"""Names of labels 0 and 1."""

_FREE_FILTER = ((0, 1, 2), (3, 4, 5), (6, 7, 8))
_TIED = {
    "equivariant": ((0, 1, 0), (2, 3, 2), (0, 1, 0)),
    "wrong-equivariant": ((0, 1, 0), (1, 2, 1), (0, 1, 0)),
}
_TIED[INVARIANT] = _TIED["equivariant"]
_FREE_UNITS, _SAME_UNITS = ((0, 1, 2, 3), (4, 5, 6, 7)), ((0, 0, 0, 0), (1, 1, 1, 1))


def two_by_two_images() -> tuple[_Integers, _Integers]:
    """Images, shape (12, 2, 2), entries -1, 0, 1, and their labels, shape (12,), 0: rows, 1: columns."""
    chosen = [
        (image, int(columns))
        for image in itertools.product((-1, 0, 1), repeat=4)
        if (rows := image[0] == image[1] and image[2] == image[3])
        != (columns := image[0] == image[2] and image[1] == image[3])
        and (rows or columns)
    ]
    chosen.sort(key=lambda pair: pair[1])
    return np.array([image for image, _ in chosen]).reshape(12, 2, 2), np.array([label for _, label in chosen])


def images_table() -> str:
    """Images as a table of text, one image a line: number, pixels row by row, label."""
    images, labels = two_by_two_images()
    lines = ["image  upper row  lower row  label", "-----  ---------  ---------  -----------"]
    for k, (image, label) in enumerate(zip(images.tolist(), labels.tolist(), strict=True), 1):
        upper, lower = (" ".join(f"{pixel:+d}" if pixel else " 0" for pixel in row) for row in image)
        lines.append(f"{k:5d}  {upper:>9}  {lower:>9}  {label} {IMAGE_CLASSES[label]}")
    return "\n".join(lines)


@dataclass(frozen=True)
class SignCNN:
    """Convolutional network with weights +-1; its configurations are numbered from 0 to 2**free_weights - 1.

    The binary digits of the number, the highest first, are the free weights of the filter in reading order, of A row
    by row and of B row by row: 0 for -1 and 1 for +1.

    Parameters
    ----------
    variant : str
        One of `SIGN_CNN_VARIANTS`, or ``"invariant"``.
    mask_seed : int, optional
        Root seed of one dropout mask; without it, dropout is the exact mean over all masks.
    data : {"all", "half"}
        Images that the loss is the mean over: all twelve, or the first of every two that are each other's flips.
    average : str
        Point group over which logits are averaged, one of `POINT_GROUPS`; ``"c1"`` for none.

    Raises
    ------
    InputError
        If a name is unknown, there is a mask but no dropout, or dropout and batch normalisation, whose statistics are
        those of all images, come with half of them or with averages.
    """

    variant: str = "baseline"
    mask_seed: int | None = None
    data: Literal["all", "half"] = "all"
    average: str = "c1"

    def __post_init__(self) -> None:
        if self.variant not in (*SIGN_CNN_VARIANTS, INVARIANT):
            known = ", ".join((*SIGN_CNN_VARIANTS, INVARIANT))
            raise InputError(f"There is no variant {self.variant!r} of the network; use one of: {known}.")
        if self.data not in ("all", "half"):
            raise InputError(f"The data are all images or half of them, not {self.data!r}.")
        PointGroup(self.average)
        if self.variant in ("dropout", "batch-norm") and (self.data, self.average) != ("all", "c1"):
            raise InputError(f"The variant {self.variant} is counted on all images and without averages alone.")
        if self.mask_seed is not None and self.variant != "dropout":
            raise InputError(f"The variant {self.variant} has no dropout mask; leave its seed out, or use dropout.")

    @property
    def filter_ties(self) -> _Integers:
        """Number of the free weight at each place of the filter, shape (3, 3)."""
        return np.array(_TIED.get(self.variant, _FREE_FILTER))

    @property
    def filter_weights(self) -> int:
        """Number of free weights of the filter."""
        return int(self.filter_ties.max()) + 1

    @property
    def free_weights(self) -> int:
        """Number of weights that can be chosen, tied ones counted once."""
        return self.filter_weights + self.hidden_weights + 4

    @property
    def hidden_ties(self) -> _Integers:
        """Number of the free weight at each place of A, shape (2, 4)."""
        return np.array(_SAME_UNITS if self.variant == INVARIANT else _FREE_UNITS)

    @property
    def hidden_weights(self) -> int:
        """Number of free weights of A."""
        return int(self.hidden_ties.max()) + 1

    @cached_property
    def shown(self) -> _Integers:
        """Places of the images that the loss is the mean over, of the twelve."""
        places, _ = image_positions("d2")
        return np.unique(places.min(axis=0)) if self.data == "half" else np.arange(places.shape[1])

    @property
    def configurations(self) -> int:
        """Number of weight configurations, 2**free_weights."""
        return 1 << self.free_weights

    def weights(self, number: _Integers) -> tuple[_Integers, _Integers, _Integers]:
        """Filters (n, 3, 3), A (n, 2, 4) and B (n, 2, 2) of configurations given by their numbers (n,)."""
        free = signed_digits(np.asarray(number), self.free_weights)
        filters, hidden, output = np.split(free, np.cumsum([self.filter_weights, self.hidden_weights]), axis=1)
        return filters[:, self.filter_ties], hidden[:, self.hidden_ties], output.reshape(-1, 2, 2)

    def masks(self) -> tuple[_Integers, _Integers]:
        """Dropout masks, shape (masks, 12 or 1, 4), entries 0 or 1, and their whole-number weights (masks,).

        All 16 masks of a feature map, a mask with k ones with weight 7^k 3^(4 - k) out of 10^4; or the one mask of
        the seed, weight 1; or all ones where there is no dropout.
        """
        if self.variant != "dropout":
            return np.ones((1, 1, 4), np.int64), np.ones(1, np.int64)
        if self.mask_seed is not None:
            drawn = rng.stream(self.mask_seed, "figure", "dropout-mask").integers(0, 10, (1, 12, 4))
            return np.asarray(drawn < KEEP_TENTHS, np.int64), np.ones(1, np.int64)
        masks = (signed_digits(np.arange(16), 4) + 1) // 2
        kept = masks.sum(axis=1)
        return masks[:, None, :], KEEP_TENTHS**kept * (10 - KEEP_TENTHS) ** (4 - kept)


def signed_digits(number: _Integers, digits: int) -> _Integers:
    """Binary digits of numbers, the highest first, as -1 and +1, shape (n, digits)."""
    return np.asarray(2 * (number[:, None] >> np.arange(digits)[::-1] & 1) - 1)


def convolved(filters: _Integers) -> _Integers:
    """Convolutions z = F * image for filters of shape (n, 3, 3): shape (n, 12, 4)."""
    images, _ = two_by_two_images()
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    patches = np.stack([padded[:, r : r + 3, c : c + 3] for r in range(2) for c in range(2)], axis=1)
    return np.asarray(np.einsum("ipjk,njk->nip", patches, filters))


def image_positions(point: str) -> tuple[_Integers, _Integers]:
    """Place of the image that each element of a point group makes of each of the twelve, shape (elements, 12).

    The second array, of the same shape, is 1 where the label stays and -1 where it changes.
    """
    images, labels = two_by_two_images()
    corners = np.array(list(itertools.product((0, 1), repeat=2)))
    places, codes = [], images.reshape(12, 4) @ 3 ** np.arange(4)
    for matrix in PointGroup(point).matrices:
        moved = ((2 * corners - 1) @ matrix.T + 1) // 2
        image = np.empty_like(images)
        image[:, moved[:, 0], moved[:, 1]] = images[:, corners[:, 0], corners[:, 1]]
        places.append([codes.tolist().index(code) for code in image.reshape(12, 4) @ 3 ** np.arange(4)])
    found = np.array(places)
    return found, np.where(labels[found] == labels, 1, -1)


@dataclass(frozen=True)
class Margins:
    """Margins of the configurations that share one filter, 4096 or 64: logit of the label minus the other logit.

    ``halves (configurations, masks, 12)`` in the order of the configurations' numbers are whole numbers from -32 n to
    32 n, with n elements of the group that is averaged over and margin = 2 scale halves; ``scale_squared`` is the
    numerator and denominator of the square of the scale.
    """

    halves: NDArray[np.int8] | NDArray[np.int16]
    mask_weights: _Integers
    scale_squared: tuple[int, int]


def filter_margins(network: SignCNN, filter_number: int) -> Margins:
    """Margins of all configurations with the filter of a number from 0 to 2**filter_weights - 1.

    Everything up to the scale is done in whole numbers: ReLU(s x) = s ReLU(x) for s > 0, so that the division by 0.7
    or by a standard deviation can wait until the end.
    """
    ties = network.filter_ties
    outputs = convolved(signed_digits(np.array([filter_number]), network.filter_weights)[:, ties])[0]
    masks, mask_weights = network.masks()
    features = np.maximum(outputs, 0) * masks
    chosen = network.hidden_weights // 2  # of a row of A; the second has the ties of the first
    sums = signed_digits(np.arange(1 << chosen), chosen)[:, network.hidden_ties[0]]
    units = np.maximum(np.einsum("mip,up->umi", features, sums), 0).astype(np.int8)
    _, labels = two_by_two_images()
    rows = signed_digits(np.arange(16), 4).reshape(16, 2, 2)
    # B's second row minus its first, halved, towards the label of each image.
    turns = ((rows[:, 1] - rows[:, 0]) // 2)[:, :, None] * (2 * labels - 1)
    first, second = (turns[:, unit, None, :].astype(np.int8) * units[:, None] for unit in (0, 1))
    halves = (first[:, None] + second[None]).reshape(-1, len(masks), 12)
    places, stays = image_positions(network.average)
    if len(places) > 1:
        wide = halves.astype(np.int16)
        halves = sum((wide[..., place] * sign.astype(np.int16) for place, sign in zip(places, stays, strict=True)), 0)
    squares = int((outputs**2).sum())
    normalised = (outputs.size, squares) if squares else (1, 1)
    square = {"dropout": (100, KEEP_TENTHS**2), "batch-norm": normalised}
    top, bottom = square.get(network.variant, (1, 1))
    scale = top, bottom * len(places) ** 2
    divisor = math.gcd(*scale)
    return Margins(halves, mask_weights, (scale[0] // divisor, scale[1] // divisor))
