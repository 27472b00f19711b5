"""Kinds of sweep files: what the recipe says of axes and attributes, where quantities lie, and between which limits.

The same follows where a kind is run, with its kernels; here it is said for those who open a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

PlainRecipe = Mapping[str, Any]
Said = str | Callable[[PlainRecipe, int], Any]
"""Field of a recipe, with dots for fields in fields, or function of a recipe and a size; None says nothing."""


@dataclass(frozen=True)
class Kind:
    """A kind of sweep file.

    Attributes
    ----------
    axes : mapping of str to Said
        Values along an axis, or how many there are.
    arrays : mapping of str to str
        Names of quantities by their axes.  An axis with ``?`` is there where the control parameter varies, and a last
        ``*`` stands for one or more.  A name with ``!`` is there in every file; in others ``*`` stands for any letters.
    size : Said
        Sizes, one or several.
    attrs : mapping of (str, str) to Said
        Numbers that a quantity has as attributes, by quantity and attribute, where it has them.
    """

    axes: Mapping[str, Said]
    arrays: Mapping[str, str]
    size: Said = "L"
    attrs: Mapping[tuple[str, str], Said] = field(default_factory=dict)


def _side(_recipe: PlainRecipe, L: int) -> int:
    return L


def _half(_recipe: PlainRecipe, L: int) -> int:
    return L // 2 + 1


def _temperatures(recipe: PlainRecipe, _L: int) -> Any:
    """Temperatures, or how many there are where ladders were placed anew at every size."""
    said = recipe.get("T")
    placed = recipe.get("tempering") not in (None, "given")
    return len(said) if placed and isinstance(said, list) else said


def _square(recipe: PlainRecipe, L: int) -> int | None:
    return L if recipe.get("lattice", "square") == "square" and recipe.get("aspect", 1.0) == 1.0 else None


def _measurements(recipe: PlainRecipe, L: int) -> Any:
    sweeps = recipe.get("sweeps")
    return sweeps * max(1, 128 // L) if sweeps and recipe.get("longer_if_small") else sweeps


def _sites(recipe: PlainRecipe, L: int) -> int:
    return int(L ** recipe.get("dimension", 1))


def _cells(recipe: PlainRecipe, L: int) -> float:
    of_cell = {"honeycomb": 2, "kagome": 3, "cubic": L}
    return float(L * round(recipe.get("aspect", 1.0) * L) * of_cell.get(recipe.get("lattice", ""), 1))


def _beta(recipe: PlainRecipe, L: int) -> Any:
    each = recipe.get("beta_per_L")
    return recipe.get("beta") if each is None else each * L


def _components(recipe: PlainRecipe, _L: int) -> int | None:
    q = recipe.get("q", 3)
    return {"ising": 1, "potts": q - 1, "clock": min(2, q - 1)}.get(recipe.get("model", ""))


def _stages(recipe: PlainRecipe, _L: int) -> Any:
    return None if recipe.get("doublings") is None else recipe["doublings"] + 1


def _unmixed(recipe: PlainRecipe, _L: int) -> Any:
    return None if recipe.get("mixed") else recipe.get("T")


_FORMS: Mapping[str, Said] = {"arm": "arms", "seed": "seeds"}
_TRAINED = "arm seed mark"
_CHAIN = "T? field? J2? chain"

SWEEP_KINDS: Mapping[str, Kind] = {
    "noise": Kind(
        {"eta": "eta", "network": "network_ids", "image": "images"},
        {
            "eta network image": "rmse! se_near se_far overlap energy m_abs m2 m4",
            "network image": "n_near n_shapes target_sq n_order",
        },
    ),
    "temperature": Kind(
        {
            **{"T": _temperatures, "field": "field", "J2": "J2", "chain": "chains"},
            **{"measurement": _measurements, "row": _square, "column": _square},
        },
        {
            f"{_CHAIN} measurement": "energy! m! structure_x structure_y structure_z staggered stripe m2_improved "
            "m4_improved structure_x_improved structure_y_improved replica",
            _CHAIN: "updates interval flow",
            f"{_CHAIN} snapshot row column": "snapshots",
            f"{_CHAIN} *": "state_colours state_generator",
        },
        attrs={("m", "components"): _components, ("energy", "sites"): _cells},
    ),
    "percolation": Kind(
        {"p": "p", "series": "series"},
        {"p series bin": "wrap_either! wrap_both! largest! largest_sq! cluster_size!"},
    ),
    "coupling": Kind(
        {"K": "K", "series": "series", "bin": "realisations"},
        {"K series bin": "r! r2! r4! locked local_order vortices"},
        size="N",
    ),
    "path-integral": Kind(
        {"h": "h", "chain": "chains", "measurement": "sweeps", "distance": _half},
        {
            "h chain measurement": "energy! m! m2_improved m4_improved sigma_x m_time m_time2 m_time4 s_time s_space "
            "structure_x_improved",
            "h chain distance": "correlation",
            "h chain *": "state_*",
        },
        attrs={("energy", "sites"): _sites, ("energy", "beta"): _beta},
    ),
    "equilibrium": Kind(
        {
            **{"T": _temperatures, "chain": "chains", "measurement": "sweeps"},
            **{"row": _side, "column": _side, "row_number": _side, "half_column_number": _half},
        },
        {
            "T chain measurement": "energy! m2! force curvature accepted s_kmin walls vortices stiffness current_sq "
            "replica_overlap overlap replica",
            "T chain row column": "energy_map",
            "T chain row_number half_column_number": "structure",
            "T chain": "t_conf flow",
            "T chain *": "modes state_x state_clean state_generator",
            "T": "eta",
        },
    ),
    "memory": Kind(
        {"eta": "eta", "network": "network_ids", "replica": "replicas"},
        {
            "eta network replica time": "memory_curve! roughness_curve",
            "network time": "noiseless_a noiseless_b",
            "network": "written preference gamma",
            "eta network replica": "memory lifetime! lost! roughness",
        },
    ),
    "seam": Kind(
        {"model": lambda recipe, _L: list(recipe.get("models", ())) or None, "axis": "axes", "temperature": "T"},
        {
            "model axis": "cost! sharp spread energy_periodic! energy_antiperiodic! twist c from_periodic "
            "from_antiperiodic",
            "model axis temperature part": "free_energy ratio",
            "model axis temperature": "tau overlap",
        },
    ),
    "ground-state": Kind(
        {"h": "h", "delta": "delta", "J2": "J2", "seed": "seeds", "stage": _stages, "distance": _half},
        {
            "h? delta? J2? seed measurement": "energy! m staggered",
            "h? delta? J2? seed stage": "stage_energy stage_variance stage_order2 stage_order4 stage_pull",
            "h? delta? J2? seed distance": "correlation",
            "h? delta? J2? seed *": "weights bias field",
            "h? delta? J2? seed": "exact_energy exact_order2 exact_gap",
        },
        attrs={("energy", "sites"): _sites},
    ),
    "landscape": Kind({}, {"level": "loss! count!"}, size=lambda _recipe, _L: None),
    "landscape-sampling": Kind(
        {"walker": "walkers"},
        {"walker place": "loss! fraction! visits!", "walker": "refinement inverse_time"},
        size=lambda _recipe, _L: None,
    ),
    "train-eos": Kind(
        _FORMS,
        {_TRAINED: "loss! chi2!", "arm seed species temperature": "mass", "arm seed temperature": "p e s bag cs2"}
        | {"arm seed weight": "weights"},
        size=lambda _recipe, _L: None,
    ),
    "train-pde": Kind(
        _FORMS, {_TRAINED: "loss! error! mean_error max_error", "arm seed weight": "weights"}, size="width"
    ),
    "train-rbm": Kind(
        {"T": _unmixed, "seed": "seeds"},
        {
            "T seed measurement": "energy! m! structure_x structure_y",
            "T seed estimator": "log_z log_z_error",
            "T seed part": "log_likelihood log_likelihood_error",
            "T seed mark": "mark_log_likelihood mark_log_likelihood_error",
            "T seed": "kl kl_error start_gap chain_gap",
            "T seed distance": "correlation correlation_error data_correlation data_correlation_error",
            "T seed snapshot row column": "snapshots",
            "T seed *": "weights* visible_bias* hidden_bias*",
            "T seed mark *": "mark_weights* mark_visible_bias* mark_hidden_bias*",
        },
    ),
    "train-colour": Kind(
        _FORMS,
        {
            f"{_TRAINED} level": "loss!",
            _TRAINED: "error! mean_error diversity",
            "arm seed picture sample colour row column": "samples",
            "picture colour row column": "truth grey",
            "arm seed weight": "weights",
            "bar": "bar_error",
        },
        size="side",
    ),
    "train-sentiment": Kind(
        {**_FORMS, "review": "test"},
        {
            _TRAINED: "train_loss validation_accuracy validation_loss validation_loss_error test_accuracy! test_loss "
            "test_loss_error",
            f"{_TRAINED} review": "right",
            "bar review": "bar_right",
            "arm seed": "identity",
        },
        size="tokens",
    ),
    "train-labels": Kind(
        {**_FORMS, "rate": "rates"},
        {
            "arm seed rate": "train_loss train_accuracy validation_accuracy validation_loss",
            "arm seed": "best_rate test_accuracy! test_loss",
        },
        size="images.side",
    ),
    "energy-map": Kind(
        {"condition": "conditions", "image": "count", "class": "classes"},
        {
            "condition image layer": "energy! centre border x y spread",
            "condition image layer order part": "harmonics",
            "image": "label",
            "condition image *": "map_* vectors_* average",
            "condition class *": "mean_*",
        },
        size="side",
    ),
    "recall": Kind(
        {"condition": "conditions", "split": "splits", "shots": "shots", "descriptor": "descriptors"}
        | {"class": "classes"},
        {"condition split shots descriptor class": "right!", "condition split pooled class": "right_many"},
        size="side",
    ),
}
"""Kinds of sweep files by the name in their recipe."""
