"""The calls that make files, sweeps and trainings; each command is one call here or in `physnn.answers`."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from physnn.errors import InputError, check_installed, naming_extras
from physnn.jobs.executors import parse_engine
from physnn.jobs.run import Progress
from physnn.models import MODELS, Clock, Ising, Potts
from physnn.networks.source import located
from physnn.samples import files
from physnn.samples.base import Recipe, validated
from physnn.samples.coupling.recipe import CouplingSweep
from physnn.samples.equilibrium.recipe import EquilibriumSweep
from physnn.samples.kinds import class_of
from physnn.samples.memory.recipe import MemorySweep, absolute
from physnn.samples.named import canonical_words, identity, load_model
from physnn.samples.noise.recipe import NoiseSweep, bundled_names, noise_values
from physnn.samples.percolation.recipe import PercolationSweep
from physnn.samples.quantum.reference_recipe import PathIntegral
from physnn.samples.tasks import parse_shard
from physnn.samples.temperature.own_model import own_model, tables_of
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.store.sweep_file import open_datatree, read_sweep

if TYPE_CHECKING:
    import xarray

RECIPES: dict[str, type[Recipe]] = {
    "noise": NoiseSweep,
    "temperature": TemperatureSweep,
    "percolation": PercolationSweep,
    "coupling": CouplingSweep,
    "path-integral": PathIntegral,
    "equilibrium": EquilibriumSweep,
    "memory": MemorySweep,
}
"""Recipes of sweeps by kind."""
DEFAULTS: dict[str, dict[str, Any]] = {
    "noise": {"eta": noise_values(0.0, 0.4, 13), "L": (32, 64, 128)},
    "memory": {"eta": noise_values(0.2, 1.0, 9)},
}
"""Settings where nothing is given: memories last at noise (Langevin convention) where the task has long failed."""


class RunSettings(TypedDict, total=False):
    """How the tasks of a recipe are run; no number depends on it.

    Attributes
    ----------
    jobs : int, optional
        Tasks at a time; 1 runs in this process, None has one for each core.
    extend, restart : bool
        Add to a finished file of the same recipe; begin anew.
    max_time : float, optional
        Seconds after which the run stops; the same call continues.
    progress, announce : callable
        Called with (done, total, text), and before each stage of a recipe with a target error.
    executor : str
        ``"process"``, ``"dask"``, or ``"dask:ADDRESS"`` or ``"dask:FILE"`` for a scheduler that someone runs.
    insecure : bool
        Use a scheduler on another machine without encryption.
    shard : str, optional
        ``"i/n"``: run share i (from 0) of n; the last one puts the file together.
    """

    jobs: int | None
    extend: bool
    restart: bool
    max_time: float | None
    progress: Progress
    announce: files.Announce | None
    executor: str
    insecure: bool
    shard: str | None


@naming_extras()
def recipe(kind: str, /, out: Path | None = None, extend: bool = False, **settings: Any) -> Recipe:
    """Resolved recipe of a sweep from the settings given, the rest at their defaults.

    Parameters
    ----------
    kind : {"noise", "temperature", "percolation", "coupling", "path-integral", "equilibrium", "memory"}
        What is swept; or any other kind of `physnn.samples.kinds.KINDS`.
    out : path, optional
        File whose settings stand where others are not given, with ``extend``; but a ``module``, whose code will run,
        must be named again.  The order parameter of an equilibrium sweep on the disk stays; otherwise it is measured,
        which takes seconds.
    **settings
        Fields of the recipe.

    Raises
    ------
    InputError
        If they make no sense.
    """
    given = {key: value for key, value in settings.items() if value is not None}
    if isinstance(given.get("module"), str):
        given["module"] = located(given["module"])
        if kind == "temperature" and "tables" not in given:
            given |= own_model(given["module"])
    names = given.get("networks")
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        given["networks"] = absolute(names) if kind == "memory" else bundled_names(names)
    old = files.recipe_on_disk(out) if out is not None and (extend or kind == "equilibrium") else None
    if extend and old is not None and old.kind == kind:
        if getattr(old, "module", None) and not getattr(old, "tables", None) and "module" not in given:
            raise InputError(f"the file was made with code that is not run unasked: name it, --module {old.module}")
        # Identities belong to the names that they were found for.
        stale = {i for name, i in (("networks", "network_ids"), ("model", "model_id")) if name in given}
        given = {name: value for name, value in old.extended(given).items() if name in given or name not in stale}
    named = canonical_words(given.get("model", ("xy",))) if kind == "equilibrium" else ()
    if isinstance(old, EquilibriumSweep) and named and old.model_id == identity(load_model(named)):
        given.setdefault("order", old.order)
    given = DEFAULTS.get(kind, {}) | given
    if kind == "memory" and not given.get("model"):
        given.setdefault("networks", ("kuramoto_symmetric",))
    return validated(RECIPES.get(kind) or class_of(kind, out or Path("this recipe")).Recipe, given).resolved()


def run(recipe: Recipe, out: Path, **settings: Unpack[RunSettings]) -> int:
    """Number of tasks that were run of a resolved recipe of any kind, into ``out``, see `RunSettings`.

    Raises
    ------
    InputError, TasksFailed, Unfinished
        As `physnn.samples.files.run`.
    """
    how: dict[str, Any] = dict(settings)
    engine, shard = parse_engine(how.pop("executor", "process"), how.pop("insecure", False)), how.pop("shard", None)
    return files.run(recipe, out, engine=engine, shard=parse_shard(shard) if shard is not None else None, **how)


def _split(settings: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Settings of the run, and those of the recipe."""
    how = {name: value for name, value in settings.items() if name in RunSettings.__annotations__}
    return how, {name: value for name, value in settings.items() if name not in how}


def sweep(kind: str, /, *, out: str | Path | None = None, **settings: Any) -> xarray.DataTree:
    """Data of a sweep, one node ``/L32`` per size: the same numbers as the command writes.

    Parameters
    ----------
    kind : {"noise", "temperature", "percolation", "coupling", "path-integral", "equilibrium", "memory"}
        What is swept; or any other kind of `physnn.samples.kinds.KINDS`.
    out : path, optional
        Sweep file to write, continue or extend; without it nothing is kept on the disk.
    **settings
        `RunSettings`, ``jobs`` 1 by default, and fields of the recipe; those not given are at their defaults, or with
        ``extend`` as in the file.
    """
    check_installed("xarray")  # before hours of work
    with _swept(kind, out, settings) as path:
        return open_datatree(path)


@contextlib.contextmanager
def _swept(
    kind: str, out: str | Path | None, settings: dict[str, Any], check: Callable[[Any], None] = lambda recipe: None
) -> Iterator[Path]:
    """Sweep file ``out`` of some settings, or one that is there for as long as it is read; ``check`` may refuse it."""
    how, given = _split(settings)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(out) if out is not None else Path(folder) / "sweep.h5"
        resolved = recipe(kind, path, how.get("extend", False), **given)
        check(resolved)
        run(resolved, path, **{"jobs": 1} | how)
        yield path


def _check_one_grid(recipe: Recipe) -> None:
    """Raise InputError where sizes and temperatures of chains will be no grid."""
    if isinstance(recipe, TemperatureSweep) and len(recipe.L) > 1:
        if recipe.tempering not in (None, "given"):
            raise InputError('ladders that are placed differ between sizes: take one L, or tempering="given"')
        if recipe.longer_if_small:
            raise InputError("chains of small sizes would be longer: give sweeps, or take one L")


@naming_extras()
def sample(
    model: str | Sequence[str] | Ising | Potts | Clock | Any,
    L: int | Sequence[int],
    T: float | Sequence[float],
    *,
    sampler: str | None = None,
    sweeps: int = 5000,
    out: str | Path | None = None,
    **settings: Any,
) -> xarray.Dataset:
    """Markov chains of a model, with estimates and errors: what a sweep measures, without files or commands.

    Parameters
    ----------
    model : str, sequence of str, Ising, Potts or Clock
        ``"ising"``, ``"potts"``, ``"clock"``, an instance of `physnn.models`, or words that name a coupling of unit
        vectors, as ``"xy"``.  Or an instance of a class of your own, see `physnn.models.tabulated.tabulated`.
    L, T : number or sequence
        Sides of the lattice, and temperatures in units of the coupling (k_B = 1).  A single number makes no dimension.
    sampler : str, optional
        Name of a sampler, by default that of the sweep: ``wolff`` for colours, ``langevin`` for unit vectors.
    sweeps : int
        Measurements per chain, about a sweep apart.
    out : path, optional
        Sweep file to keep; `physnn.fit` reads it.
    **settings
        As for `sweep`: ``lattice``, ``edges``, ``chains`` (4 by default), ``thermalisation``, ``seed``, ``jobs``, ...

    Returns
    -------
    xarray.Dataset
        Raw series along (L, T, chain, measurement), and ``value``, ``error``, ``tau`` and ``note`` along
        (observable, L, T); see `physnn.answers.estimates.estimates`.  Several values of ``field`` or ``J2`` make a
        dimension after T.  ``data.physnn.plot("chi")`` draws, as ``data.plot`` is xarray's own.

    Raises
    ------
    InputError
        If there is no such model or sampler, or they do not go together; if sizes and temperatures are no grid.

    Examples
    --------
    >>> import physnn
    >>> data = physnn.sample("ising", L=[4, 8], T=[2.0, 2.5, 3.0], sampler="swendsen-wang", sweeps=2000)
    >>> data.energy.dims
    ('L', 'T', 'chain', 'measurement')
    >>> energy = data.sel(observable="energy", L=8, T=2.5)
    >>> bool(abs(energy.value - -1.2223) < 4 * energy.error)  # the exact value, per site
    True
    >>> bool(0.5 < energy.tau < 5)  # in measurements
    True
    >>> data.value.sel(observable="chi", L=8).argmax("T").item()
    1
    >>> figure = data.physnn.plot("chi", "binder")
    >>> figure.savefig("chi.png")
    """
    from physnn.answers.estimates import estimates

    named: dict[str, Any] = {"model": model}
    if isinstance(model, Ising | Potts | Clock):
        further = {"field": model.h} if isinstance(model, Ising) else {"q": model.q}
        named = {"model": model.name, "coupling": model.J} | further
    elif isinstance(model, list | tuple):
        if not all(isinstance(word, str) for word in model):
            raise InputError(f'a model is named by texts, as ("on", "3"), not {model!r}')
        named = {"model": model[0] if len(model) == 1 else tuple(model)}
    elif hasattr(model, "bond_energy"):
        tables = tables_of(model, type(model).__name__)
        named = {"model": "own", "tables": tables, "module_digest": tables.digest()}
    elif not isinstance(model, str):
        raise InputError(f"a {type(model).__name__} has no sweep: its samplers are called with physnn.samplers.advance")
    colours = isinstance(named["model"], str) and named["model"] in (*MODELS, "own")
    try:
        sizes, temperatures = (tuple(np.atleast_1d(values).tolist()) for values in (L, T))
    except ValueError:
        raise InputError("L and T are numbers or lists of them") from None
    named |= {"L": sizes, "T": temperatures, "sweeps": sweeps, "algorithm" if colours else "sampler": sampler}
    if not colours and isinstance(named["model"], str):
        named["model"] = (named["model"],)
    with _swept("temperature" if colours else "equilibrium", out, named | settings, _check_one_grid) as path:
        data = estimates(read_sweep(path, states=False))
    return data.squeeze([name for name, values in (("L", L), ("T", T)) if np.ndim(values) == 0])


def _values(values: Sequence[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)


def sweep_noise(L: Sequence[int] | None = None, **settings: Any) -> xarray.DataTree:
    """Data of trained networks under noise at some sizes, by default 32, 64 and 128; see `sweep`.

    Fields of `physnn.samples.noise.recipe.NoiseSweep`: ``eta``, ``networks``, ``images``, ``steps``, ``seed``, ...
    With ``target_error`` a pilot with a quarter of the images decides noise values and images, so that the critical
    point of ``target_observable`` has this error, in units of eta; the recipe's ``stages`` say why.
    """
    return sweep("noise", L=_values(L), **settings)


def sweep_temperature(L: Sequence[int] | None = None, **settings: Any) -> xarray.DataTree:
    """Data of a lattice model at some sizes, by default 16, 32, 64 and 128, and temperatures; see `sweep`.

    Fields of `physnn.samples.temperature.recipe.TemperatureSweep`: ``T``, ``model``, ``q``, ``field``, ``algorithm``,
    ``sweeps``, ``chains``, ``seed``, ...
    """
    return sweep("temperature", L=_values(L), **settings)


def sweep_percolation(L: Sequence[int] | None = None, **settings: Any) -> xarray.DataTree:
    """Data of site percolation at some sizes, by default 16, 32, 64 and 128, and probabilities; see `sweep`.

    Fields of `physnn.samples.percolation.recipe.PercolationSweep`: ``p``, ``series``, ``runs``, ``seed``, ...
    """
    return sweep("percolation", L=_values(L), **settings)


def sweep_coupling(N: Sequence[int] | None = None, **settings: Any) -> xarray.DataTree:
    """Data of coupled oscillators at some sizes, by default 200, 800 and 3200, and couplings; see `sweep`.

    Fields of `physnn.samples.coupling.recipe.CouplingSweep`: ``K``, ``frequencies``, ``width``, ``noise``, ``network``,
    ``components``, ``step``, ``duration``, ``realisations``, ``series``, ``seed``, ...  Nodes are ``/L200``.
    """
    return sweep("coupling", N=_values(N), **settings)


def sweep_equilibrium(
    L: Sequence[int] | None = None, T: Sequence[float] | None = None, **settings: Any
) -> xarray.DataTree:
    """Data of unit vectors with some coupling in equilibrium at some sizes and temperatures; see `sweep`.

    Fields of `physnn.samples.equilibrium.recipe.EquilibriumSweep`: ``model``, ``sampler``, ``gamma``, ``start``,
    ``chains``, ``sweeps``, ``seed``, ...
    """
    return sweep("equilibrium", L=_values(L), T=_values(T), **settings)


def sweep_memory(L: Sequence[int] | None = None, **settings: Any) -> xarray.DataTree:
    """Data of domains written into networks under noise, at sizes 16, 32, 64 and 128 by default; see `sweep`.

    Fields of `physnn.samples.memory.recipe.MemorySweep`: ``eta``, ``networks``, ``pattern``, ``replicas``,
    ``longest``, ``seed``, ...
    """
    return sweep("memory", L=_values(L), **settings)


def train_kuramoto(seeds: Sequence[int] = (0,), *, out: str | Path, **settings: Any) -> Path:
    """Network file ``out`` of one Kuramoto network per seed, trained and diagnosed.

    Parameters
    ----------
    seeds : sequence of int
        One network each; a network does not depend on the others.
    out : path
        The network file.  Interrupted, the same call continues after the last full epoch of every network.
    **settings
        `RunSettings`, ``device`` (``"cpu"`` or ``"cuda"``), and fields of
        `physnn.networks.kuramoto.recipe.TrainingRecipe`.
    """
    how, given = _split(settings)
    kind = class_of("train-kuramoto", Path(out)).Recipe
    run(validated(kind, given | {"seeds": tuple(seeds)}).resolved(), Path(out), **how)
    return Path(out)
