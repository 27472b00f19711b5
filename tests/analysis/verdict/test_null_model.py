import numpy as np
import pytest
from scipy import stats

from physnn.analysis.verdict.null_model import NULL_LEVEL, Errors, mean_root, null_model
from physnn.answers import fit as report
from physnn.errors import InputError
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import SweepFile

ETA = np.linspace(0, 0.3, 7)
SIZES = {32: 32, 64: 32, 128: 32}


def planted(rng, networks=3, images=32, extra=0.0, sizes=(32, 64, 128)):
    """Return errors of shapes and background with fluctuations that are local; ``extra`` lets b depend on L."""
    found = {}
    scale = 1 + 0.2 * rng.standard_normal(networks)
    for L in sizes:
        shapes = rng.poisson(0.002 * L**2, (networks, images)) + 1
        n_near = np.minimum(shapes * 150, L**2 // 2)
        a, b = (1e-3 + 0.5 * ETA**2)[:, None, None], (0.02 + ETA)[:, None, None] * scale[None, :, None]
        b = b * (1 + extra * np.log2(L / 32))
        # One draw per shape and image, the same at all noise values, as keyed noise makes it.
        wobble = rng.gamma(4 * shapes, 1 / (4 * shapes))
        far = a * (L**2 - n_near) * rng.gamma(L**2 / 60, 60 / L**2, (networks, images))
        found[L] = Errors(ETA, b * n_near * wobble, np.broadcast_to(far, (7, networks, images)), n_near)
    return found


@pytest.mark.parametrize("observable", ["rmse", "rmse_per_image"])
def test_p_values_of_data_that_follow_the_null_model_are_uniform(observable):
    rng = np.random.default_rng(1)
    p = np.array([null_model(planted(rng), observable, rng, resamples=200).p_value for _ in range(60)])
    # 60 draws at these levels: bounds at three standard deviations of the binomial distribution.
    for level in (0.05, 0.2, 0.5):
        assert (p < level).mean() < level + 3 * np.sqrt(level * (1 - level) / 60)
    assert (p < 0.5).mean() > 0.3


def test_errors_that_grow_with_l_are_rejected():
    rng = np.random.default_rng(2)
    found = [null_model(planted(rng, extra=0.25), "rmse", rng) for _ in range(10)]
    assert all(n.rejected for n in found)
    assert found[0].p_value < NULL_LEVEL and "is rejected" in found[0].sentence()


def test_a_density_that_depends_on_l_makes_curves_cross_and_the_null_model_knows_it():
    rng = np.random.default_rng(3)
    sizes = planted(rng, images=200)
    thin = {}
    for L, e in sizes.items():
        keep = 0.4 if L == 32 else 1.0
        n = (keep * e.n_near).astype(int)
        factor = n / e.n_near
        # Fewer shapes at L = 32, and a background that is noisier than shapes at small noise: the curves cross.
        near = e.near * factor * (0.2 + ETA / 0.15)[:, None, None]
        thin[L] = Errors(ETA, near, e.far * (L**2 - n) / (L**2 - e.n_near) + 0.03 * (L**2 - n), n)
    found = null_model(thin, "rmse", rng)
    difference = found.measured[32] - np.sqrt(
        (thin[128].near + thin[128].far).mean(2).mean(1) / 128**2
    )  # L = 32 less L = 128
    assert difference[0] > 0 > difference[-1]
    assert not found.rejected


def test_the_mean_root_of_a_gamma_distribution():
    for shape, scale in [(0.7, 2.0), (5.0, 0.1), (300.0, 1e-4)]:
        law = stats.gamma(shape, scale=scale)
        assert mean_root(np.array(law.mean()), np.array(law.var())) == pytest.approx(law.expect(np.sqrt), rel=1e-8)
    assert mean_root(np.array([0.0, 4.0]), np.array([0.0, 0.0])).tolist() == pytest.approx([0, 2], rel=1e-8)


def test_per_image_averages_lie_below_pooled_ones_and_are_predicted():
    rng = np.random.default_rng(4)
    sizes = planted(rng, images=400)
    pooled, each = (null_model(sizes, name, rng) for name in ("rmse", "rmse_per_image"))
    assert (each.predicted[32] < pooled.predicted[32]).all()
    assert not each.rejected
    # Without the variance of an image's error the prediction would be too high.
    naive = np.sqrt(pooled.predicted[32] ** 2)
    assert np.abs((each.measured[32] - naive) / each.errors[32]).max() > 4


def test_errors_in_units_of_each_image():
    rng = np.random.default_rng(6)
    sizes = planted(rng, images=100)
    scaled = {L: Errors(e.eta, e.near, e.far, e.n_near, np.sqrt(L**2 / e.n_near)) for L, e in sizes.items()}
    assert not null_model(scaled, "rmse_per_image", rng).rejected
    double = {L: Errors(e.eta, e.near, e.far, e.n_near, np.full(e.n_near.shape, 2.0)) for L, e in sizes.items()}
    once, twice = (null_model(s, "rmse_per_image", np.random.default_rng(0), resamples=100) for s in (sizes, double))
    assert np.allclose(twice.predicted[32], 2 * once.predicted[32])
    assert twice.largest[2] == pytest.approx(once.largest[2])


def as_sweep(sizes):
    """Return a sweep file in memory."""
    groups = {}
    for L, e in sizes.items():
        dims = ("eta", "network", "image")
        rmse = np.sqrt((e.near + e.far) / L**2)
        groups[L] = {"eta": Variable(("eta",), e.eta, {}), "n_near": Variable(dims[1:], e.n_near, {})}
        arrays = {"rmse": rmse, "se_near": e.near, "se_far": e.far}
        groups[L] |= {name: Variable(dims, np.array(values), {}) for name, values in arrays.items()}
    return SweepFile({}, groups, {})


def test_a_crossing_that_the_null_model_explains_is_none():
    rng = np.random.default_rng(7)
    sizes = planted(rng, images=100)
    share = {32: 0.25, 64: 0.5, 128: 1.0}
    crossing = {}
    for L, e in sizes.items():
        n = np.maximum(1, (share[L] * e.n_near).astype(int))
        near = e.near * (n / e.n_near) * (0.1 + ETA / 0.1)[:, None, None]
        far = np.broadcast_to(0.02 * (L**2 - n) * rng.gamma(L**2 / 60, 60 / L**2, n.shape), near.shape)
        crossing[L] = Errors(ETA, near, far, n)
    fit = report.fit(as_sweep(crossing), "rmse")
    assert fit.null and not fit.null.rejected and fit.null.reference == 128
    assert fit.verdict == "no-crossing" and "explains the curves" in fit.reason and "both signs" in fit.reason
    assert fit.collapse is None and fit.as_json()["null_model"]["rejected"] is False
    # The same images, but pixels near shapes that know L, by a function of (eta - 0.15) L^0.8: the crossing stands.
    knowing = {L: Errors(e.eta, e.near * np.exp(4 * (ETA - 0.15) * (L / 64) ** 0.8)[:, None, None], e.far, e.n_near)
               for L, e in sizes.items()}  # fmt: skip
    fit = report.fit(as_sweep(knowing), "rmse")
    assert fit.null and fit.null.rejected
    assert fit.verdict == "crossing"


def test_what_cannot_be_predicted_is_said():
    rng = np.random.default_rng(5)
    sizes = planted(rng)
    with pytest.raises(InputError, match="not overlap"):
        null_model(sizes, "overlap", rng)
    with pytest.raises(InputError, match="two sizes"):
        null_model({32: sizes[32]}, "rmse", rng)
    with pytest.raises(InputError, match="4 images"):
        null_model(planted(rng, images=3), "rmse", rng)
    other = {32: sizes[32], 64: Errors(ETA + 1, sizes[64].near, sizes[64].far, sizes[64].n_near)}
    with pytest.raises(InputError, match="no noise value"):
        null_model(other, "rmse", rng)
    with pytest.raises(InputError, match="same networks"):
        null_model({32: planted(rng, 2)[32], 64: sizes[64]}, "rmse", rng)
