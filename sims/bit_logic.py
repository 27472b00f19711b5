"""How does the multi-spin kernel decide 512 spins at once?

Top: where the spins of a lattice lie in words, drawn for words of 4 bits instead of 64.  Below: the logic that counts
unlike neighbours, and the comparison of random digits with the binary digits of an acceptance probability.  The last
panel is measured: words of xoshiro256++ against the digits that the kernel uses at the critical temperature.
"""

import math
import time
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from physnn import rng
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.kernels.lattice.multispin import thresholds
from physnn.kernels.lattice.multispin_code import COMMON, COMPARED_DIGITS, OWN
from physnn.kernels.random import fill_words, seeded
from physnn.models import Ising

BITS, BLOCKS, PAIRS = 4, 4, 3
"""Of the drawing: bits in a word, column blocks c, and row pairs k."""
WORD = (0, 1, 1)
"""Colour, c and k of the word whose neighbours are shown."""
LANES, WORDS = 32, 2**18
"""Spins drawn in the comparison, and words of random digits measured."""
EVEN, ODD, GHOST = "#D6E8F5", "#FBE3D0", "#EEEEEE"
OWN_COLOUR, NEAR_COLOUR = COLOURS[0], COLOURS[1]
DARK, SIZE = "#333333", 8
FIGURE = Path("docs/figures/bit_logic.png")


def place(colour: int, c: int, k: int, bit: int) -> tuple[int, int]:
    """Return column x and row y of a spin."""
    return c + bit * BLOCKS, 2 * k + (c + colour) % 2


def neighbours(colour: int, c: int, k: int) -> list[tuple[int, int]]:
    """Return (c, k) of the four neighbour words, which have the other colour."""
    return [(c, k), (c, k + 1 if (c + colour) % 2 else k - 1), (c - 1, k), (c + 1, k)]


def cell(axes: Axes, x: float, y: float, face: str, text: str = "", ink: str = DARK) -> None:
    """Draw a unit square with a text."""
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="white", linewidth=1))
    axes.text(x + 0.5, y + 0.5, text, ha="center", va="center", fontsize=SIZE, color=ink)


def blank(axes: Axes, title: str) -> None:
    """Leave a drawing without a frame, rows downwards."""
    axes.set_title(title, fontsize=SIZE + 1, loc="left")
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.axis("off")


def draw_lattice(axes: Axes) -> None:
    """Draw the lattice, and on it the sites of one word and of its neighbour words."""
    colour, c, k = WORD
    marked = {place(colour, c, k, b): (OWN_COLOUR, b) for b in range(BITS)}
    for near_c, near_k in neighbours(*WORD):
        marked |= {place(1 - colour, near_c, near_k, b): (NEAR_COLOUR, b) for b in range(BITS)}
    for y in range(2 * PAIRS):
        axes.text(-0.4, y + 0.5, str(y), ha="right", va="center", fontsize=SIZE)
        for x in range(BITS * BLOCKS):
            face, bit = marked.get((x, y), (ODD if (x + y) % 2 else EVEN, ""))
            cell(axes, x, y, face, str(bit), "white")
    for x in range(BITS * BLOCKS):
        axes.text(x + 0.5, -0.5, f"{x}", ha="center", va="center", fontsize=SIZE)
        axes.text(x + 0.5, 2 * PAIRS + 0.5, f"{x % BLOCKS}", ha="center", va="center", fontsize=SIZE)
    for x, y, text in ((-0.4, -0.5, "x"), (-0.4, 2 * PAIRS + 0.5, "c"), (-1.5, PAIRS, "y")):
        axes.text(x, y, f"${text}$", ha="right", va="center", fontsize=SIZE + 1)
    for bit in range(1, BITS):
        axes.plot([bit * BLOCKS] * 2, [-0.1, 2 * PAIRS + 0.1], color=DARK, linewidth=1.2)
    axes.set_xlim(-2.2, BITS * BLOCKS + 0.2)
    axes.set_ylim(-1.0, 2 * PAIRS + 1.0)
    blank(axes, "(a) lattice; numbers are bits $b$ of five words, $x = c + b\\,W/64$")


def draw_words(axes: Axes) -> None:
    """Draw the arrays of words of both colours with their ghosts."""
    colour, c, k = WORD
    near = neighbours(*WORD)
    for side, left in enumerate((0, BLOCKS + 4.4)):
        for i in range(-1, BLOCKS + 1):
            for j in range(-1, PAIRS + 1):
                ghost = not (0 <= i < BLOCKS and 0 <= j < PAIRS)
                face = GHOST if ghost else (EVEN, ODD)[side]
                text = "↻" if i in (-1, BLOCKS) and 0 <= j < PAIRS else ""
                if side == colour and (i, j) == (c, k):
                    face, text = OWN_COLOUR, "s"
                if side != colour and (i, j) in near:
                    face, text = NEAR_COLOUR, "uvlr"[near.index((i, j))]
                cell(axes, left + i, j, face, text, DARK if face in (EVEN, ODD, GHOST) else "white")
        for i in range(BLOCKS):
            axes.text(left + i + 0.5, -1.5, str(i), ha="center", va="center", fontsize=SIZE)
        for j in range(PAIRS):
            axes.text(left - 1.4, j + 0.5, str(j), ha="right", va="center", fontsize=SIZE)
        axes.text(left - 1.2, -1.5, "$c$", ha="center", va="center", fontsize=SIZE + 1)
        axes.text(left - 2.0, PAIRS / 2, "$k$", ha="right", va="center", fontsize=SIZE + 1)
        name = ("even sites", "odd sites")[side]
        axes.text(left + BLOCKS / 2, PAIRS + 1.5, name, ha="center", va="center", fontsize=SIZE)
    note = "grey: ghosts, copies of the opposite side;\n↻ bits rotated by one"
    axes.text(BLOCKS + 2.2, PAIRS + 3.2, note, ha="center", va="center", fontsize=SIZE)
    axes.set_xlim(-2.6, 2 * BLOCKS + 5.6)
    axes.set_ylim(-2.0, PAIRS + 4.2)
    blank(axes, "(b) its words: column $c$, rows $y = 2k$ or $2k + 1$")


def gate(axes: Axes, at: tuple[float, float], text: str, face: str, width: float = 1.6) -> None:
    """Draw a box with a text."""
    axes.add_patch(
        Rectangle(
            (at[0] - width / 2, at[1] - 0.36), width, 0.72, facecolor=face, edgecolor=DARK, linewidth=0.7, zorder=2
        )
    )
    axes.text(*at, text, ha="center", va="center", fontsize=SIZE, zorder=3)


def draw_adder(axes: Axes) -> None:
    """Draw the logic from four neighbours to "some" and "two", and what follows from them."""
    inputs = {name: (0.8, y) for name, y in zip("uvlr", (0.5, 1.5, 2.5, 3.5), strict=True)}
    names = ("u AND v", "u OR v", "l OR r", "l AND r")
    first = {name: (3.2, y) for name, y in zip(names, (0.5, 1.5, 2.5, 3.5), strict=True)}
    both, some, two = (5.4, 1.5), (5.4, 2.5), (7.6, 1.5)
    paths = [(inputs[a], at) for name, at in first.items() for a in (name[0], name[-1])]
    paths += [(first[name], at) for name in names[1:3] for at in (both, some)]
    paths += [(both, two), (first[names[0]], (6.2, 0.5), two), (first[names[3]], (6.5, 3.5), two)]
    for path in paths:
        axes.plot(*zip(*path, strict=True), color=COLOURS[5], linewidth=1, zorder=1)
    for name, at in inputs.items():
        gate(axes, at, f"s XOR {name}", ODD)
    for name, at in first.items():
        gate(axes, at, name, GHOST)
    gate(axes, both, "AND", GHOST, 0.9)
    gate(axes, some, "OR: some", EVEN, 1.9)
    gate(axes, two, "OR: two", EVEN, 1.7)
    columns = (0.8, 2.7, 4.2, 6.7)
    rows = (
        ("unlike $n$", "some", "two", "flips with probability"),
        ("0", "0", "0", r"$e^{-8 \beta J}$"),
        ("1", "1", "0", r"$e^{-4 \beta J}$"),
        ("2, 3, 4", "1", "1", "1"),
    )
    for j, row in enumerate(rows):
        for x, text in zip(columns, row, strict=True):
            axes.text(x, 4.95 + 0.72 * j, text, ha="center", va="center", fontsize=SIZE)
    axes.plot([-0.2, 8.5], [5.3, 5.3], color=DARK, linewidth=0.7)
    axes.set_xlim(-0.3, 8.6)
    axes.set_ylim(0, 7.5)
    blank(axes, "(d) how many neighbours $u, v, l, r$ of $s$ are unlike?")


def probability_digits() -> np.ndarray:
    """Return the binary digits of both acceptance probabilities at the critical temperature, shape (2, DIGITS)."""
    p = thresholds(1 / Ising().critical_temperature)
    return (p[: 2 * COMPARED_DIGITS] != 0).reshape(2, COMPARED_DIGITS)


def draw_digits(axes: Axes) -> None:
    """Draw random digits of some spins until they decide."""
    digits = probability_digits()[0]
    drawn = rng.stream(0, "figure", "bit_logic").integers(0, 2, (OWN, LANES))
    for k in range(OWN):
        axes.text(-2.6, k + 0.5, f"{k + 1}", ha="center", va="center", fontsize=SIZE)
        axes.text(-0.9, k + 0.5, f"{int(digits[k])}", ha="center", va="center", fontsize=SIZE, weight="bold")
    axes.text(-2.6, -0.6, "$k$", ha="center", va="center", fontsize=SIZE)
    axes.text(-0.9, -0.6, "$p$", ha="center", va="center", fontsize=SIZE)
    axes.text(LANES / 2, -0.6, f"random digits of {LANES} spins, sorted", ha="center", va="center", fontsize=SIZE)
    unequal = drawn != digits[:OWN, None]
    decided = np.where(unequal.any(axis=0), unequal.argmax(axis=0), OWN)
    for lane, one in enumerate(np.argsort(-decided, kind="stable")):
        for k in range(min(OWN, decided[one] + 1)):
            face = GHOST if k < decided[one] else (COLOURS[2] if digits[k] else COLOURS[4])
            cell(axes, lane, k, face, str(int(drawn[k, one])), "black")
    for k in range(OWN):
        axes.text(LANES + 1, k + 0.5, str((decided > k).sum()), ha="center", va="center", fontsize=SIZE)
    axes.text(LANES + 1, -0.6, "left", ha="center", va="center", fontsize=SIZE)
    for x, face, text in (
        (13, GHOST, "equal: go on"),
        (19, COLOURS[2], "below: flips"),
        (25, COLOURS[4], "above: stays"),
    ):
        cell(axes, x, OWN - 1, face)
        axes.text(x + 1.4, OWN - 0.5, text, va="center", fontsize=SIZE)
    axes.set_xlim(-3.2, LANES + 2)
    axes.set_ylim(-1.2, OWN + 0.1)
    blank(axes, r"(c) random digits against those of $p = e^{-4 \beta J} = 0.001010\ldots_2$ at $T_c$")


def undecided() -> np.ndarray:
    """Return the measured share of spins undecided after k = 0 .. DIGITS digits, for both probabilities."""
    state = seeded(rng.seed_sequence(0, "figure", "bit_logic", "measured"))
    words = np.empty(WORDS, np.uint64)
    left = np.full((2, WORDS), 2**64 - 1, np.uint64)
    shares = [np.ones(2)]
    for digit in probability_digits().T:
        fill_words(state, words)
        left &= np.where(digit[:, None], words, ~words)
        shares.append(np.bitwise_count(left).sum(axis=1) / (64 * WORDS))
    return np.array(shares).T


def draw_shares(axes: Axes, shares: np.ndarray) -> None:
    """Draw the shares left undecided against 2^-k."""
    k = np.arange(COMPARED_DIGITS + 1)
    axes.axvspan(OWN, COMPARED_DIGITS, color=EVEN, linewidth=0)
    axes.semilogy(k, 2.0**-k, color=DARK, linewidth=1, label="$2^{-k}$")
    for row, (marker, name) in enumerate(zip(MARKERS, (r"$e^{-4 \beta J}$", r"$e^{-8 \beta J}$"), strict=False)):
        axes.plot(k + 0.12 * (2 * row - 1), shares[row], marker, color=COLOURS[row], markersize=4, label=name)
    axes.text(OWN / 2, 7e-4, "digits of\nits own", ha="center", fontsize=SIZE)
    axes.text(OWN + COMMON / 2, 0.12, "digits that\n4 vectors share", ha="center", fontsize=SIZE)
    axes.set_xlabel("digits compared, $k$", fontsize=SIZE)
    axes.set_ylabel("share undecided", fontsize=SIZE)
    axes.set_xlim(-0.4, COMPARED_DIGITS + 0.4)
    axes.set_xticks(range(0, COMPARED_DIGITS + 1, 2))
    axes.tick_params(labelsize=SIZE)
    axes.legend(fontsize=SIZE, frameon=False, loc="center left", bbox_to_anchor=(0.0, 0.5))
    axes.set_title(f"(e) measured on {64 * WORDS / 1e6:.1f} million spins", fontsize=SIZE + 1, loc="left")


def main() -> None:
    """Draw the figure and print the measured shares with their deviations from 2^-k."""
    start = time.perf_counter()
    figure = new_figure(8.0, 7.2)
    grid = figure.add_gridspec(3, 2, height_ratios=(1.1, 0.85, 1.25), width_ratios=(1, 1))
    top = grid[0, :].subgridspec(1, 2, width_ratios=(1.45, 1))
    draw_lattice(figure.add_subplot(top[0]))
    draw_words(figure.add_subplot(top[1]))
    shares = undecided()
    draw_digits(figure.add_subplot(grid[1, :]))
    draw_adder(figure.add_subplot(grid[2, 0]))
    draw_shares(figure.add_subplot(grid[2, 1]), shares)
    print(save(figure, FIGURE))
    print(f"share undecided after k digits, {64 * WORDS} spins; z of exp(-4 beta J) and exp(-8 beta J) against 2^-k")
    for k in range(1, COMPARED_DIGITS + 1):
        error = math.sqrt(2.0**-k * (1 - 2.0**-k) / (64 * WORDS))
        values = " ".join(f"{s:.6f} ({(s - 2.0**-k) / error:+.1f})" for s in shares[:, k])
        print(f"{k:2d}  {2.0**-k:.6f}  {values}")
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
