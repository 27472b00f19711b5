"""Which way of averaging errors makes curves of different L cross, and does the null model make that crossing too?

Source: N. Iqbal and M. Welling, "Topological defects propagate information in deep neural networks", figure 7 (RMSE
curves intersect at eta_c, best collapse with alpha = 0.3) and its doubts in A.3 (pixel values, MSE).  RMSE pooled over
images, averaged over images, in units of each image's target, clipped, thresholded; the paper's density of shapes and
a density that is the same at all L; a torus, and neighbours beyond the border counted as zero.  For each: the verdict
on the curves, the exponent of the best collapse, whether the null model (errors near and far from shapes measured at
the largest L) explains the curves, and what a fit says of curves drawn from the null model alone.  Where there is a
border, rates of error by distance from it, measured at the largest L, predict the curves of the others.

Two readings of the paper's pixel values cannot matter: the error of pixels 0 and 1 is that of pixels -0.5 and 0.5, and
curves of MSE cross where those of RMSE do.  Only the norm of a target knows the values of its pixels: it is constant
for -0.5 and 0.5.

    python sims/estimator_audit.py        five minutes on two cores

Finished parts are kept in ``sims/output``, so that it continues.
"""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import maximum_filter
from scipy.stats import gamma

from physnn import rng
from physnn.analysis.collapse.exponents import Settings, collapse
from physnn.analysis.curves.curves import curves_of
from physnn.analysis.memory.forgetting import first_passage
from physnn.analysis.statistics.estimate import Estimate
from physnn.analysis.statistics.resampling import shares, widened
from physnn.analysis.verdict.fit import fit_curves
from physnn.analysis.verdict.null_model import Errors, null_model
from physnn.errors import InputError
from physnn.figures.style import COLOURS, MARKERS, new_figure, save
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.batch import NEAR, Batch, noise_keys
from physnn.networks.kuramoto.evaluate import LAYOUT
from physnn.networks.kuramoto.network import KuramotoNetwork
from physnn.networks.kuramoto.noise import KeyedNoise
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

EDGES = (1, 2, 4, 8, 16)
"""Distances from the border, pixels, between which rates of error are taken to be the same."""
NETWORKS = "kuramoto_symmetric"
SIZES, ETA, IMAGES, BATCH = (32, 64, 128), np.linspace(0, 0.2, 11), 48, 8
ESTIMATORS = {
    "pooled": ("plain", "rmse"),
    "per image": ("plain", "rmse_per_image"),
    "per image, in units of the target's": ("normalised", "rmse_per_image"),
    "clipped, pooled": ("clipped", "rmse"),
    "thresholded, pooled": ("thresholded", "rmse"),
}
"""Name to (what is done to outputs or errors, how images are averaged)."""
KINDS = {
    "plain": lambda p: p,
    "clipped": lambda p: np.clip(p, -0.5, 0.5),
    "thresholded": lambda p: np.where(p > 0, 0.5, -0.5),
}
"""What is done to outputs before errors are taken."""
FIGURE = Path("docs/figures/estimator_audit.png")
FOLDER = Path("sims/output")


def outputs(k: int, boundary: str, density: str, L: int, first: int) -> dict[str, np.ndarray]:
    """Return sums of squared errors near and far from shapes, of one network and batch at all noise values."""
    torch.set_num_threads(1)
    file = read_networks(resolve(NETWORKS))
    architecture = replace(Architecture(**file.architecture), boundary=boundary)
    network = KuramotoNetwork(architecture, {name: w[k] for name, w in file.weights.items()}).requires_grad_(False)
    batch = Batch(L, density, 4, 0, first, BATCH)
    task = Transmogrifier(L, density, 4)
    pairs = [task.pair(rng.stream(0, "image", file.ids[k], density, L, first + i)) for i in range(BATCH)]
    inputs, targets = np.stack([p[0] for p in pairs]), np.stack([p[1] for p in pairs])
    near = maximum_filter(np.maximum(inputs, targets), (0, 2 * NEAR + 1, 2 * NEAR + 1), mode="wrap") > 0
    found: dict[str, list[np.ndarray]] = {f"{kind}_{part}": [] for kind in KINDS for part in ("near", "far")}
    places = [part & zone for part in (near, ~near) for zone in zones(L)]
    found["zones"] = []
    for eta in ETA:
        noise = KeyedNoise(noise_keys(file.ids[k], batch), architecture.components, L) if eta else None
        x = network.evolve(torch.from_numpy(inputs), int(file.recipe["steps"]), noise, float(eta), LAYOUT)
        p = network.read_out(x).double().numpy()
        for kind, rule in KINDS.items():
            error = (rule(p) - targets) ** 2
            found[f"{kind}_near"].append(np.where(near, error, 0).sum((1, 2)))
            found[f"{kind}_far"].append(np.where(near, 0, error).sum((1, 2)))
        found["zones"].append([np.where(place, (p - targets) ** 2, 0).sum((1, 2)) for place in places])
    arrays = {name: np.array(values) for name, values in found.items()}
    return arrays | {
        "n_zones": np.array([place.sum((1, 2)) for place in places]),
        "n_near": near.sum((1, 2)),
        "target": (targets + 0.5).sum((1, 2)),
    }


def zones(L: int) -> list[np.ndarray]:
    """Return masks of pixels by their distance from the border."""
    i = np.minimum(np.arange(L), L - 1 - np.arange(L))
    distance = np.digitize(np.minimum(i[:, None], i[None, :]), EDGES)
    return [distance == k for k in range(len(EDGES) + 1)]


def measured(boundary: str, density: str) -> dict[int, dict[str, np.ndarray]]:
    """Return arrays (noise, network, image) of every size, computed or read."""
    networks = len(read_networks(resolve(NETWORKS)).ids)
    sizes = {}
    for L in SIZES:
        path = FOLDER / f"audit_{boundary}_{density}_{L}.npz"
        if not path.exists():
            parts = list(product(range(networks), range(0, IMAGES, BATCH)))
            with ProcessPoolExecutor(2) as pool:
                n = len(parts)
                done = list(pool.map(outputs, [p[0] for p in parts], [boundary] * n, [density] * n, [L] * n,
                                     [p[1] for p in parts]))  # fmt: skip
            per = IMAGES // BATCH
            rows = [done[i * per : (i + 1) * per] for i in range(networks)]
            arrays = {
                name: np.stack([np.concatenate([d[name] for d in row], axis=-1) for row in rows], axis=-2)
                for name in done[0]
            }
            np.savez(path, **arrays)
        sizes[L] = dict(np.load(path))
    return sizes


def errors_of(sizes: dict[int, dict[str, np.ndarray]], how: str) -> dict[int, Errors]:
    """Return squared errors of an estimator, by L."""
    kind = "plain" if how == "normalised" else how
    # Without a shape there is no norm: such images count with 0.
    norm = {L: np.divide(L**2, a["target"], out=np.zeros(a["target"].shape), where=a["target"] > 0)
            for L, a in sizes.items()}  # fmt: skip
    return {
        L: Errors(ETA, a[f"{kind}_near"], a[f"{kind}_far"], a["n_near"],
                  np.sqrt(norm[L]) if how == "normalised" else None)
        for L, a in sizes.items()
    }  # fmt: skip


def drawn(errors: dict[int, Errors], generator: np.random.Generator) -> dict[int, Errors]:
    """Return errors drawn from the null model with a and b of the largest L: images as measured, errors gamma."""
    top, largest = errors[max(errors)], max(errors)
    a = top.far.sum(2) / (largest**2 - top.n_near).sum(1)
    b = top.near.sum(2) / top.n_near.sum(1)
    found = {}
    for L, e in errors.items():
        mean = a[:, :, None] * (L**2 - e.n_near), b[:, :, None] * e.n_near
        residual = top.far + top.near - a[:, :, None] * (largest**2 - top.n_near) - b[:, :, None] * top.n_near
        variance = np.broadcast_to(residual.var(2, keepdims=True) * (L / largest) ** 2, mean[0].shape)
        spread = (variance > 0) & (mean[0] + mean[1] > 0)
        k = np.divide((mean[0] + mean[1]) ** 2, variance, out=np.ones(mean[0].shape), where=spread)
        # The same quantile at every noise value, since images share their noise.
        factor = generator.random(e.n_near.shape)
        each = np.where(spread, gamma.ppf(factor, k) / k, 1)
        found[L] = Errors(e.eta, mean[1] * each, mean[0] * each, e.n_near, e.scale)
    return found


def answer(errors: dict[int, Errors], observable: str, seed: int):
    """Return the fit of curves, and the collapse that a fit finds whether or not the curves cross."""
    generator = np.random.default_rng(seed)
    sizes = {}
    for L, e in errors.items():
        root = np.sqrt((e.near + e.far) / L**2)
        sizes[L] = (e.eta, {"rmse": root if e.scale is None else root * e.scale})
    curves = curves_of(sizes, observable, "eta", 400, generator)
    fit = fit_curves(curves, Settings(), generator)
    found = fit.collapse
    if found is None:
        try:
            found = collapse(curves, Settings(), generator)
        except InputError:
            found = None
    return fit, found


def from_border(sizes: dict[int, dict[str, np.ndarray]]) -> tuple[dict[int, np.ndarray], dict[int, np.ndarray]]:
    """Return pooled RMSE, and what rates of error by distance from border and shapes at the largest L predict.

    Both of shape (1 + samples, noise): the first of all images, the others of images that are drawn anew.
    """
    generator, largest = np.random.default_rng(5), max(sizes)
    rates, seen, predicted = np.zeros(0), {}, {}
    for L in sorted(sizes, reverse=True):
        squared, counts = sizes[L]["zones"], sizes[L]["n_zones"]
        images = counts.shape[-1]
        weights = np.concatenate([np.full((1, images), 1 / images), widened(shares(images, (400,), generator))])
        sums = np.einsum("czni,bi->bczn", squared, weights)
        number = np.einsum("zni,bi->bzn", counts, weights)[:, None]
        if largest == L:
            rates = np.divide(sums, number, out=np.zeros_like(sums), where=number > 0)
        predicted[L] = np.sqrt(np.maximum(0, (rates * number).sum(2)) / L**2).mean(2)
        seen[L] = np.sqrt(np.maximum(0, sums.sum(2)) / L**2).mean(2)
    return seen, predicted


def tell_border(sizes: dict[int, dict[str, np.ndarray]]) -> dict[int, np.ndarray]:
    """Print where curves meet and how well the border explains it; return the predicted curves."""
    seen, predicted = from_border(sizes)
    largest = max(sizes)
    for L in sorted(sizes)[:-1]:
        differences, expected = seen[L] - seen[largest], predicted[L] - seen[largest]
        meets = [first_passage(ETA, -d) for d in (differences, expected)]
        off = differences - expected
        z = np.abs(off[0] / off[1:].std(0, ddof=1))
        places = [Estimate(float(m[0]), float(np.std(m[1:][np.isfinite(m[1:])], ddof=1))) for m in meets]
        left = np.abs(off[0]).max() / np.abs(differences[0]).max()
        print(f"  these networks: L = {L} and {largest} meet at eta = {places[0]}, the border predicts {places[1]}; "
              f"it leaves {left:.0%} of the largest difference, {z.max():.1f} errors at most")  # fmt: skip
    return {L: predicted[L][0] for L in predicted}


def told(fit, found) -> str:
    """Return the verdict, crossings and the exponent of the best collapse in one line."""
    pair = max(fit.pairs, key=lambda p: p.sizes[1] / p.sizes[0])
    where = f", L = {pair.sizes[0]} and {pair.sizes[1]} at {pair.x}" if pair.x else ""
    best = f"; best collapse {found.critical_point}, alpha {found.inverse_nu}, p = {found.p_value:.1g}" if found else ""
    return f"{fit.verdict}{where}; largest difference {pair.largest:.1%}{best}"


def main() -> None:
    """Print verdicts of all combinations and draw their differences from the largest L."""
    FOLDER.mkdir(exist_ok=True)
    figure = new_figure(15, 9)
    axes = figure.subplots(4, len(ESTIMATORS), sharex=True)
    for row, (density, boundary) in enumerate(product(("matched", "paper"), ("periodic", "zero"))):
        sizes = measured(boundary, density)
        border = tell_border(sizes) if boundary == "zero" else {}
        for column, (name, (how, observable)) in enumerate(ESTIMATORS.items()):
            errors = errors_of(sizes, how)
            fit, found = answer(errors, observable, 1)
            null = null_model(errors, observable, np.random.default_rng(2))
            print(f"{density}, {boundary}, {name}\n  measured: {told(fit, found)}\n  {null.sentence()}")
            print(f"  null alone: {told(*answer(drawn(errors, np.random.default_rng(3)), observable, 4))}")
            draw(axes[row, column], fit.curves, null, f"{density}, {boundary}\n{name}", border if not column else {})
            # As if there were one network with all these images, the paper's case: errors of images alone.
            one = {L: flattened(e) for L, e in errors.items()}
            print(f"  errors of images alone: {told(*answer(one, observable, 1))}")
    for each in axes[-1]:
        each.set_xlabel(r"noise $\eta$")
    for each in axes[:, 0]:
        each.set_ylabel("difference to L = 128")
    axes[0, 0].legend(frameon=False, fontsize=7)
    print(save(figure, FIGURE))


def flattened(e: Errors) -> Errors:
    """Return errors with the images of all networks as those of one."""
    shape = (len(e.eta), 1, -1)
    scale = None if e.scale is None else e.scale.reshape(1, -1)
    return Errors(e.eta, e.near.reshape(shape), e.far.reshape(shape), e.n_near.reshape(1, -1), scale)


def draw(axes, curves, null, title: str, border: dict[int, np.ndarray]) -> None:
    """Draw the curves of every L less that of the largest, the null model's prediction, and that of the border."""
    largest = curves.sizes[-1]
    for k, L in enumerate(curves.sizes[:-1]):
        style = {"color": COLOURS[k], "marker": MARKERS[k], "ms": 3, "lw": 0.8, "capsize": 2}
        axes.errorbar(curves.x[L], curves.y[L] - curves.y[largest], null.errors[L], label=f"L = {L}", **style)
        axes.plot(null.eta, null.predicted[L] - curves.y[largest], color=COLOURS[k], ls=":", lw=2.5)
        if border:
            axes.plot(ETA, border[L] - curves.y[largest], color=COLOURS[k], ls="--", lw=1.5)
    axes.axhline(0, color="0.6", lw=0.8)
    axes.set_title(title, fontsize=8)


if __name__ == "__main__":
    main()
