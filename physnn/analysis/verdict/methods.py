"""A methods paragraph of a fit, with its numbers, and the BibTeX entries of what it used."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import scipy

from physnn.analysis.collapse.average import ACCEPTABLE
from physnn.analysis.collapse.exponents import Collapse
from physnn.analysis.curves.crossing import CROSSING_LEVEL
from physnn.analysis.verdict.fit import Fit, widest

CITATION = re.compile(r"\[(physnn|[A-Z][A-Za-z]+\d{4})\]")
"""Citations in the paragraph."""


def _article(author: str, title: str, journal: str, volume: int, year: int, pages: str, doi: str) -> str:
    return (
        f"@article{{KEY,\n  author = {{{author}}},\n  title = {{{title}}},\n  journal = {{{journal}}},\n"
        f"  volume = {{{volume}}},\n  year = {{{year}}},\n  pages = {{{pages}}},\n  doi = {{{doi}}}\n}}"
    )


def _book(author: str, title: str, publisher: str, year: int) -> str:
    return (
        f"@book{{KEY,\n  author = {{{author}}},\n  title = {{{title}}},\n  publisher = {{{publisher}}},\n"
        f"  year = {{{year}}}\n}}"
    )


ENTRIES = {
    "physnn": (
        "@software{KEY,\n  author = {{The physnn developers}},\n"
        "  title = {physnn: phase transitions in lattice models and neural networks},\n  version = {VERSION}\n}"
    ),
    "Binder1981": _article(
        "Binder, K.", "Finite size scaling analysis of {Ising} model block distribution functions",
        "Zeitschrift f{\\\"u}r Physik B", 43, 1981, "119--140", "10.1007/BF01293604",
    ),
    "Golub1973": _article(
        "Golub, G. H. and Pereyra, V.",
        "The differentiation of pseudo-inverses and nonlinear least squares problems whose variables separate",
        "SIAM Journal on Numerical Analysis", 10, 1973, "413--432", "10.1137/0710036",
    ),
    "Kaufman1975": _article(
        "Kaufman, L.", "A variable projection method for solving separable nonlinear least squares problems",
        "BIT Numerical Mathematics", 15, 1975, "49--57", "10.1007/BF01932995",
    ),
    "Jay2021": _article(
        "Jay, W. I. and Neil, E. T.", "Bayesian model averaging for analysis of lattice field theory results",
        "Physical Review D", 103, 2021, "114502", "10.1103/PhysRevD.103.114502",
    ),
    "Wolff2004": _article(
        "Wolff, U.", "{Monte Carlo} errors with less errors",
        "Computer Physics Communications", 156, 2004, "143--153", "10.1016/S0010-4655(03)00467-3",
    ),
    "Hukushima1996": _article(
        "Hukushima, K. and Nemoto, K.", "Exchange {Monte Carlo} method and application to spin glass simulations",
        "Journal of the Physical Society of Japan", 65, 1996, "1604--1608", "10.1143/JPSJ.65.1604",
    ),
    "Houdayer2004": _article(
        "Houdayer, J. and Hartmann, A. K.",
        "Low-temperature behavior of two-dimensional {Gaussian} {Ising} spin glasses",
        "Physical Review B", 70, 2004, "014418", "10.1103/PhysRevB.70.014418",
    ),
    "Harada2011": _article(
        "Harada, K.", "Bayesian inference in the scaling analysis of critical phenomena",
        "Physical Review E", 84, 2011, "056704", "10.1103/PhysRevE.84.056704",
    ),
    "Paule1982": _article(
        "Paule, R. C. and Mandel, J.", "Consensus values and weighting factors",
        "Journal of Research of the National Bureau of Standards", 87, 1982, "377--385", "10.6028/jres.087.022",
    ),
    "Knapp2003": _article(
        "Knapp, G. and Hartung, J.", "Improved tests for a random effects meta-regression with a single covariate",
        "Statistics in Medicine", 22, 2003, "2693--2710", "10.1002/sim.1482",
    ),
    "Kosterlitz1974": _article(
        "Kosterlitz, J. M.", "The critical properties of the two-dimensional {XY} model",
        "Journal of Physics C", 7, 1974, "1046--1060", "10.1088/0022-3719/7/6/005",
    ),
    "Vollmayr1993": _article(
        "Vollmayr, K. and Reger, J. D. and Scheucher, M. and Binder, K.",
        "Finite size effects at thermally-driven first order phase transitions: a phenomenological theory of the order "
        "parameter distribution", "Zeitschrift f{\\\"u}r Physik B", 91, 1993, "113--125", "10.1007/BF01316713",
    ),
    "Challa1986": _article(
        "Challa, M. S. S. and Landau, D. P. and Binder, K.",
        "Finite-size effects at temperature-driven first-order transitions",
        "Physical Review B", 34, 1986, "1841--1852", "10.1103/PhysRevB.34.1841",
    ),
    "Efron1993": _book("Efron, B. and Tibshirani, R. J.", "An Introduction to the Bootstrap", "Chapman and Hall", 1993),
    "Davison1997": _book(
        "Davison, A. C. and Hinkley, D. V.", "Bootstrap Methods and their Application",
        "Cambridge University Press", 1997,
    ),
    "Harris2020": _article(
        "Harris, C. R. and others", "Array programming with {NumPy}",
        "Nature", 585, 2020, "357--362", "10.1038/s41586-020-2649-2",
    ),
    "Virtanen2020": _article(
        "Virtanen, P. and others", "{SciPy} 1.0: fundamental algorithms for scientific computing in {Python}",
        "Nature Methods", 17, 2020, "261--272", "10.1038/s41592-019-0686-2",
    ),
    "Collette2013": _book("Collette, A.", "Python and {HDF5}", "O'Reilly", 2013),
}  # fmt: skip
"""BibTeX entries by key."""


def methods_of(fit: Fit) -> dict[str, str]:
    """``paragraph``, prose with the numbers of a fit that cites as ``[Golub1973]``, and its ``bibtex``."""
    parts = [_data(fit), _verdict(fit)]
    if fit.collapse:
        parts += [_collapse(fit.collapse, fit), _errors(fit.collapse, fit), _second(fit.collapse, fit)]
    if fit.drift:
        moved = fit.drift
        parts.append(
            f"The {len(moved.pairs)} crossings of neighbouring sizes, extrapolated with corrections L^-omega to first "
            f"order [Binder1981], go to {moved.critical_point} (and {moved.drift_error:.1g} from the choice of omega)."
        )
    if fit.merging:
        parts.append(_merging(fit))
    parts.append(_software(fit))
    paragraph = " ".join(" ".join(parts).split())
    keys = dict.fromkeys(CITATION.findall(paragraph))
    entries = [ENTRIES[key].replace("KEY", key, 1).replace("VERSION", _version("physnn")) for key in keys]
    return {"paragraph": paragraph, "bibtex": "\n\n".join(entries)}


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "(version unknown)"


def _small(p_value: float) -> str:
    return f"{p_value:.2g}" if p_value > 1e-16 else "below 1e-16"


def _and(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def _data(fit: Fit) -> str:
    """Data, and how their errors were resampled."""
    curves = fit.curves
    count = sum(len(curves.x[L]) for L in curves.sizes)
    low, high = min(x.min() for x in curves.x.values()), max(x.max() for x in curves.x.values())
    text = (
        f"{curves.symbol[:1].upper()}{curves.symbol[1:]} was analysed as a function of {curves.control} at L = "
        f"{_and([str(L) for L in curves.sizes])}, {count} points with {curves.control} from {low:.6g} to {high:.6g}"
    )
    resamples = len(next(iter(curves.samples.values())))
    if curves.networks > 1:
        return (
            f"{text}, for {curves.networks} networks with {curves.images} or more images each.  Errors of curves are "
            f"those of {resamples} bootstrap samples [Efron1993], networks drawn with replacement, the same for all "
            "sizes, and images within each network, the scatter of networks less what images explain [Davison1997]."
        )
    if curves.networks == 1:
        return (
            f"{text}, for one network with {curves.images} or more images.  Errors of curves are those of {resamples} "
            "bootstrap samples [Efron1993], images drawn with replacement, and hold for this network alone."
        )
    if curves.chains and curves.correlation:
        return (
            f"{text}, from {curves.chains} ladders that exchange replicas [Hukushima1996].  Errors and correlations of "
            f"curves are those of {resamples} bootstrap samples [Efron1993] of {curves.bins} spans of time or more, "
            "the same ones for all points of a size, each at least 10 autocorrelation times long [Wolff2004]."
        )
    if curves.chains:
        return (
            f"{text}, from {curves.chains} Markov chains each.  Errors of curves are those of {resamples} bootstrap "
            f"samples [Efron1993] of {curves.bins} bins or more per point, each at least 10 integrated autocorrelation "
            "times long [Wolff2004]."
        )
    if curves.correlation:
        return (
            f"{text}, from runs that all points of a size share.  Errors and correlations of curves are those of "
            f"{resamples} bootstrap samples [Efron1993] of {curves.bins} bins of runs or more per size."
        )
    given = "their covariance" if curves.covariance is not None else "their errors"
    return f"{text}; {resamples} samples of all points were drawn from normal distributions with {given} [Efron1993]."


def _verdict(fit: Fit) -> str:
    """Verdict and the test it rests on."""
    zeta = fit.collapse.zeta_over_nu.value if fit.collapse else 0.0
    scaled = f" of y L^(-zeta/nu) with zeta/nu = {zeta:.4g}" if zeta else ""
    pair = widest(fit.pairs)
    text = (
        f"Curves{scaled} were tested for crossings [Binder1981] pair by pair: their difference, on every run of 1, 2, "
        "4 and more neighbouring control values at once, must be significantly positive on one side and negative on "
        f"the other, at a simultaneous level of {CROSSING_LEVEL:.0%} for either sign from the bootstrap.  For the "
        f"smallest and the largest size, L = {pair.sizes[0]} and {pair.sizes[1]}, the p-value of curves that do not "
        f"cross is {_small(fit.verdict_p_value)}; the verdict is {fit.verdict} ({fit.reason})."
    )
    if fit.verdict == "first-order":
        if "minimum" in fit.reason:
            text += "  Negative minima of the cumulant tell a transition of first order [Vollmayr1993]."
        if "peaks" in fit.reason:
            text += "  So do distributions with two peaks that come apart with L [Challa1986]."
    return text


def _collapse(best: Collapse, fit: Fit) -> str:
    """Collapse and its windows."""
    scanned, chosen = best.scan, best.scan.best
    candidates, name = scanned.candidates, fit.curves.control
    counted = [c for c in candidates if c.weight > 0.01]
    held = [n for n, v in zip((f"{name}_c", "1/nu", "zeta/nu"), chosen.form.fixed[:3], strict=True) if v is not None]
    values = dict(zip((f"{name}_c", "1/nu", "zeta/nu"), best.best.parameters[:3], strict=True))
    window = best.window
    text = (
        f"The points were collapsed onto y = L^(zeta/nu) F(u), u = ({name} - {name}_c) L^(1/nu)"
        + (f", with {_and([f'{n} held at {values[n]:.6g}' for n in held])}" if held else "")
        + ", F a polynomial in tanh(k u) with degree and k from the corrected criterion of Akaike, by least squares "
        "with variable projection [Golub1973] [Kaufman1975].  "
        f"Fits on windows |u| < {min(c.window for c in candidates):.3g} to {max(c.window for c in candidates):.3g}, "
        f"from L_min = {_and([str(L) for L in sorted({c.smallest for c in candidates})])}, with and without a term "
        f"({name} - {name}_c) H(u), {len(candidates)} in all, were averaged with weights "
        "exp(-(chi2 + 2 k + 2 n_cut)/2), k coefficients and n_cut points left out [Jay2021]; "
        + (
            f"those with p > {ACCEPTABLE:g} count, and {len(counted)} carry more than 1 % of the weight"
            if scanned.acceptable
            else f"none has p > {ACCEPTABLE:g}, so errors are widened by the root of chi2/dof"
        )
        + f".  The one with the largest weight ({chosen.weight:.0%}) has L_min = {chosen.smallest}, |u| < "
        f"{chosen.window:.3g}, that is {name} from {window[0]:.6g} to {window[1]:.6g}, {int(chosen.mask.sum())} "
        f"points, degree {best.best.curve.degree}, chi2/dof = {best.chi2_per_dof:.2f} and p = {best.p_value:.2g}."
    )
    return f"{text}  {_corrections(best)}"


def _corrections(best: Collapse) -> str:
    corrected = [c for c in best.scan.candidates if c.form.corrected]
    share = sum(c.weight for c in corrected)
    if not corrected:
        text = "No correction to scaling was in the fit."
    else:
        held = sorted({c.form.fixed[3] for c in corrected if c.form.fixed[3] is not None})
        with_omega = f"omega held at {_and([f'{w:g}' for w in held])}" if held else f"omega fitted, {best.omega}"
        term = "G(u) / ln L" if corrected[0].form.logarithmic else f"L^-omega G(u) with {with_omega}"
        text = f"Corrections to scaling, a term {term}, carry {share:.0%} of the weight."
    rough = best.roughness
    if rough.smooth:
        text += (
            f"  Points scatter {np.sqrt(rough.ratio):.2g} times their errors (p = {rough.p_value:.2g} for independent "
            f"points): they share runs, so {len(best.points)} of them were kept and taken as correlated within each L."
        )
    return text


def _errors(best: Collapse, fit: Fit) -> str:
    """Answer and what its errors are."""
    name = fit.curves.control
    found = [(f"{name}_c", best.critical_point), ("1/nu", best.inverse_nu), ("zeta/nu", best.zeta_over_nu)]
    fitted = [(n, e) for n, e in found if e.error > 0]
    answer = _and([f"{n} = {e}" for n, e in fitted]) or "no parameter, as all were held"
    count, own = len(best.samples), best.networks
    if own:
        spread = ", ".join(
            f"{p.spread:.2g} in {n} (p = {p.p_value:.2g} for none)"
            for n, p in ((f"{name}_c", own.critical_point), ("1/nu", own.inverse_nu))
            if p.mean.error > 0
        )
        return (
            f"Every network was also fitted by itself; the answer, {answer}, is the random-effects mean [Paule1982] "
            "with the error of Knapp and Hartung [Knapp2003], Student's distribution with "
            f"{fit.curves.networks - 1} degrees of freedom, and networks spread by {spread}."
        )
    if fit.curves.networks:
        source = f"the central 68.3 % of {count} bootstrap samples, fits drawn by their weights [Efron1993], "
        source += f"widened by Student's distribution with {fit.curves.dof:g} degrees of freedom"
    else:
        source = "the averaged covariance and the spread between fits, or the central 68.3 % of "
        source += f"{count} parametric bootstrap samples where that is larger by a quarter [Efron1993]"
    return f"The answer is {answer}, with errors from {source}."


def _second(best: Collapse, fit: Fit) -> str:
    """Second methods, none where points carry derivatives."""
    if best.points.carry_derivatives:
        return ""
    text, second = "", best.gaussian_process
    if second:
        error = np.sqrt(np.diag(second.covariance))
        names = (f"{fit.curves.control}_c", "1/nu", "zeta/nu")
        told = [f"{n} = {v:.6g} +- {e:.1g}" for n, v, e in zip(names, second.parameters, error, strict=True) if e > 0]
        text = f"A Gaussian process in place of F [Harada2011], on the points of the best fit, gives {_and(told)}.  "
    return (
        f"{text}The quality of the collapse without a master curve [Houdayer2004] is S = {best.quality:.2f}, which "
        "counts the bending of curves between points too."
    )


def _merging(fit: Fit) -> str:
    joined = fit.merging
    assert joined
    power, other = joined.power, joined.kosterlitz_thouless
    return (
        "Curves that join and stay together were fitted with correlation lengths t^-nu and exp(b/sqrt(t)) "
        f"[Kosterlitz1974] at the distance t from where they split: chi2/dof = {power.chi2 / power.dof:.2f} "
        f"(p = {power.p_value:.2g}) and {other.chi2 / other.dof:.2f} (p = {other.p_value:.2g}); "
        f"{joined.favoured or 'neither'} is favoured, and they split at {joined.best.critical_point}."
    )


def _software(fit: Fit) -> str:
    used = f"physnn {_version('physnn')} [physnn], numpy {np.__version__} [Harris2020]"
    if fit.curves.networks or fit.curves.chains or fit.curves.correlation:
        used += f", h5py {_version('h5py')} [Collette2013]"
    return f"All was done with {used} and scipy {scipy.__version__} [Virtanen2020]."
