"""Figure of values at one control value: the law in L with residuals, and what fits from other smallest sizes say."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator

from physnn.analysis.verdict.size_law import SizeLaw
from physnn.figures.fit import SHOWN_WEIGHT, control_symbol
from physnn.figures.style import COLOURS, MARKERS, errorbar, new_figure

STYLES = {"power": "-", "background": "-.", "logarithm": "--"}
"""Lines of the forms."""


def size_law_figure(answer: SizeLaw) -> Figure:
    """Figure of three panels: values with the fitted curves, their residuals, and fits by smallest size."""
    figure = new_figure(10, 4.6)
    grid = figure.add_gridspec(2, 2, height_ratios=(3, 1), hspace=0.04)
    top = figure.add_subplot(grid[0, 0])
    bottom = figure.add_subplot(grid[1, 0], sharex=top)
    draw_law(top, answer)
    draw_law_residuals(bottom, answer)
    draw_exponents(figure.add_subplot(grid[:, 1]), answer)
    return figure


def draw_law(axes: Axes, answer: SizeLaw) -> None:
    """Panel of values against L with the best fit of each kind; logarithmic in the values for a power law alone."""
    s = answer.section
    fine = np.geomspace(s.L[0] / 1.1, s.L[-1] * 1.1, 200)
    for k, fit in enumerate(answer.best):
        used = fine >= fit.smallest
        (line,) = axes.plot(fine[used], fit.curve(fine[used]), color=COLOURS[k + 1], label=_label(answer, k), zorder=1)
        line.set(ls=STYLES[fit.law.name], lw=1.5)
        axes.plot(fine[~used], fit.curve(fine[~used]), color=COLOURS[k + 1], ls=":", lw=1, zorder=1)
    name = control_symbol(s.control)
    where = rf"${name}$ = {s.at}" if s.at else "measured"
    errorbar(axes, 0, s.L, s.y, s.error, ms=5, lw=1, capsize=2, label=where, zorder=2)
    axes.set_xscale("log", base=2)
    if (s.y > 0).all() and any(fit.law.name == "power" for fit in answer.best):
        axes.set_yscale("log")
        axes.yaxis.set_minor_formatter(NullFormatter())
        if s.y.max() < 4 * s.y.min():
            axes.set_yticks(_round_ticks(float(s.y.min()), float(s.y.max())))
            axes.yaxis.set_major_formatter("{x:.3g}")
            axes.yaxis.set_minor_locator(NullLocator())
    axes.set(ylabel=s.symbol)
    axes.tick_params(labelbottom=False)
    axes.set_title(f"verdict: {answer.verdict}", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _round_ticks(low: float, high: float) -> list[float]:
    """Four values or so between two, with as many decimals as tell them apart."""
    ticks = np.geomspace(low, high, 4)
    digits = -int(np.floor(np.log10((high - low) / 3)))
    return sorted({round(float(tick), digits) for tick in ticks})


def _label(answer: SizeLaw, k: int) -> str:
    """Best fit in words with its chi2."""
    fit = answer.best[k]
    form = {
        "power": r"$a\,L^{p}$", "background": r"$c + a\,L^{p}$", "logarithm": r"$a + b\,\ln L$",
    }[fit.law.name]  # fmt: skip
    term = "" if fit.law.omega is None else r", corrected by $1/\ln L$" if fit.law.omega == "log" else (
        rf", corrected by $L^{{-{fit.omega:.2g}}}$"
    )  # fmt: skip
    test = rf", $\chi^2$/dof = {fit.chi2 / fit.dof:.2f}" if fit.dof else ""
    return f"{form}{term}{test}"


def draw_law_residuals(axes: Axes, answer: SizeLaw) -> None:
    """Panel of values less the best fit of each kind over their errors, of the sizes that are in it."""
    s = answer.section
    axes.axhspan(-1, 1, color="0.9", lw=0)
    axes.axhline(0, color="0.3", lw=0.8)
    for k, fit in enumerate(answer.best):
        used = fit.smallest <= s.L
        rest = (s.y[used] - fit.curve(s.L[used])) / s.error[used]
        # A little apart, so that both are seen.
        axes.plot(s.L[used] * 1.02**k, rest, MARKERS[k + 1], color=COLOURS[k + 1], ms=4)
    axes.set_xticks(s.L, [f"{L:.0f}" for L in s.L])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="L", ylabel="residual/error")


def draw_exponents(axes: Axes, answer: SizeLaw) -> None:
    """Panel of the exponent, or of the slope against ln L, by smallest size: each form on its own, with the answer."""
    log = answer.exponent is None
    estimate = answer.slope if log else answer.exponent
    if estimate is None:
        axes.text(0.5, 0.5, "no form agrees with the values", ha="center", va="center", transform=axes.transAxes)
        axes.set_axis_off()
        return
    axes.axhspan(estimate.value - estimate.error, estimate.value + estimate.error, color="0.85", lw=0)
    axes.axhline(estimate.value, color="0.3", lw=1, label=f"answer {estimate}")
    sizes = [int(L) for L in answer.section.L]
    kinds = {
        f.law: [g for g in answer.fits if g.law == f.law] for f in answer.fits if (f.law.name == "logarithm") == log
    }
    for k, (law, fits) in enumerate(kinds.items()):
        for smallest in sorted({f.smallest for f in fits}):
            along = [f for f in fits if f.smallest == smallest]
            likely = min(along, key=lambda f: f.chi2)
            weight = sum(f.weight for f in along)
            axes.errorbar(
                sizes.index(smallest) + 0.12 * k, likely.value, likely.deviation, color=COLOURS[k + 1],
                fmt=MARKERS[k + 1], ms=6, capsize=2, lw=1, fillstyle="full" if weight > SHOWN_WEIGHT else "none",
            )  # fmt: skip
        axes.plot([], [], MARKERS[k + 1], color=COLOURS[k + 1], label=_math(str(law)))
    shown = sorted({sizes.index(f.smallest) for fits in kinds.values() for f in fits})
    axes.set_xticks([k + 0.06 * (len(kinds) - 1) for k in shown], [str(sizes[k]) for k in shown])
    axes.set_xlim(-0.4, shown[-1] + 1)
    axes.set(xlabel=r"smallest size $L_\mathrm{min}$ in the fit", ylabel="slope $b$" if log else "exponent $p$ of L")
    axes.set_title("filled where a fit carries weight", fontsize=10)
    axes.legend(frameon=False, fontsize=8)


def _math(form: str) -> str:
    """Form as a formula."""
    text = form.replace("omega", r"\omega").replace("ln L", r"\ln L")
    for power in ("p", r"-\omega"):
        text = text.replace(f"^{power}", f"^{{{power}}}")
    return f"${text}$"
