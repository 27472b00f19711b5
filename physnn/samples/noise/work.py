"""Noise sweeps of trained networks: every task shows a batch of images to one network at one noise value."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

from physnn import rng
from physnn.errors import InputError
from physnn.machine import FOR_KERNELS, FOR_TRAINING_HERE, Footprint, check_memory, task_bytes
from physnn.networks.source import Source
from physnn.samples.base import check_finite
from physnn.samples.noise.recipe import NoiseSweep, Stage, brought_sources
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Results, Task
from physnn.shipped import resolve
from physnn.store.network_file import read_networks

ALL, OF_IMAGE = ("eta", "network", "image"), ("network", "image")
"""Axes of observables, and of those that do not depend on the noise."""
OBSERVED = {
    "rmse": Measured("RMSE", "dimensionless", "root mean squared error of one image, pixels 0 and 1", ALL),
    "se_near": Measured("", "dimensionless", "sum of squared errors within 3 pixels of a shape", ALL),
    "se_far": Measured("", "dimensionless", "sum of squared errors farther from shapes", ALL),
    "overlap": Measured("q", "dimensionless", "mean of x . x_clean over sites at the last step", ALL),
    "energy": Measured("E", "dimensionless", "energy per site at the last step", ALL),
    "n_near": Measured("", "pixels", "number of pixels within 3 pixels of a shape", OF_IMAGE),
    "target_sq": Measured("", "dimensionless", "sum of the squared target, pixels 0 and 1", OF_IMAGE),
    "n_shapes": Measured("", "1", "number of shapes in the image", OF_IMAGE),
}
"""Observables of every network."""
OF_ORDER = {
    "m_abs": Measured("|m|", "dimensionless", "length of the network's order parameter", ALL),
    "m2": Measured("m^2", "dimensionless", "its square", ALL),
    "m4": Measured("m^4", "dimensionless", "its fourth power", ALL),
    "n_order": Measured("", "1", "components of the order parameter", OF_IMAGE),
}
"""Observables of networks that are brought and have an order parameter."""
PILOT_SHARE, PILOT_LEAST = 4, 8
"""A pilot takes the images asked for over `PILOT_SHARE`, but `PILOT_LEAST` if there are."""
SHORT_STEPS, SHORT_IMAGES = 50, 4
"""Steps and images of the task that is timed before a sweep, at most."""


class NoiseSample(Sample):
    """Trained networks that do their task under noise, at several sizes."""

    Recipe = NoiseSweep
    recipe: NoiseSweep
    advice = "fewer --images, noise values, --steps or --L, or fewer --jobs"
    carried = ("files",)

    @property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """Memory of the processes beside what tasks hold; compiled steps do without torch."""
        return FOR_KERNELS if self.recipe.engine == "kernel" and not self.recipe.module else FOR_TRAINING_HERE

    @functools.cached_property
    def files(self) -> dict[str, str | Source]:
        """File that holds each network, or its class and weights if it was brought, by identity."""
        return network_paths(self.recipe)

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        return {
            "eta": Axis(self.recipe.eta, "eta", "dimensionless", "noise strength, Langevin convention"),
            "network": Axis(self.recipe.network_ids, meaning="content identity of the network"),
            "image": Axis(self.recipe.images, meaning="number of the image in the network's own series"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that tasks measure by name."""
        return OBSERVED | (OF_ORDER if self.recipe.module else {})

    def split(self, size: int) -> dict[str, int]:
        """Axes that tasks divide; noise values of one batch of images come together."""
        return {"network": 0, "image": self.recipe.batch, "eta": 0}

    def group(self, size: int, at: Mapping[str, Any]) -> str:
        """Tasks that need the same run without noise, which a worker keeps."""
        return f"{size}-{at['network']}-{at['image'][0]}"

    def cost(self, size: int, at: Mapping[str, Any]) -> float:
        """Steps of one site."""
        return float(size**2 * len(at["image"]) * self.recipe.depth(size))

    def modules(self) -> tuple[str, ...]:
        """Modules of extras that tasks import."""
        return () if self.recipe.engine == "kernel" and self.recipe.device == "cpu" else ("torch",)

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of a batch, and the operations of its convolutions."""
        components, kernel = self._width
        operations = 2.0 * self.cost(size, at) * (components * kernel) ** 2
        return Resources(task_bytes(size, self.recipe.batch, components), operations)

    @functools.cached_property
    def _width(self) -> tuple[int, int]:
        """Numbers that a state has for every pixel, and side of the kernel, at most."""
        if self.recipe.module:
            from physnn.networks.brought import probe

            brought = [source for source in self.files.values() if isinstance(source, Source)]
            numbers = max(probe(source, self.recipe.L[0], self.recipe.device).numbers for source in brought)
            return math.ceil(numbers), 1
        shapes = [read_networks(path).architecture for path in {str(path) for path in self.files.values()}]
        return max(int(shape["components"]) for shape in shapes), max(int(shape["kernel"]) for shape in shapes)

    def need(self, jobs: int) -> float:
        """Bytes of memory needed at most; raises InputError with the largest L that fits where they are not there."""
        check_memory(self.recipe.L, self.recipe.batch, self._width[0], jobs)
        return super().need(jobs)

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Observables of a network for every image of a batch; raises NotFinite if one is not finite."""
        from physnn.networks.kuramoto.batch import Batch, kernel_run

        recipe, network, eta, images = self.recipe, task["network"], task["eta"], task["image"]
        batch = Batch(task.size, recipe.density, recipe.radius, recipe.seed, images[0], len(images))
        steps, place = recipe.depth(task.size), self.files[network]
        if recipe.engine == "kernel" and not isinstance(place, Source):
            found = kernel_run(place, network, recipe.device, batch, steps, eta)
        else:
            from physnn.networks.device import single_thread
            from physnn.networks.kuramoto.evaluate import noisy_run

            with single_thread():
                found = noisy_run(place, network, recipe.device, batch, steps, eta)
        where = f"network {network}, L = {task.size}, eta = {eta:g}, {steps} steps"
        check_finite(found, where, "image", images[0])
        return found

    def short(self) -> NoiseSample:
        """One batch of a few images at the smallest size, at two noise values."""
        few: dict[str, Any] = {"L": self.recipe.L[:1], "eta": (0.1, 0.11), "network_ids": self.recipe.network_ids[:1]}
        few |= {"images": min(SHORT_IMAGES, self.recipe.batch), "target_error": None, "steps_scaling": None}
        steps = min(SHORT_STEPS, self.recipe.depth(self.recipe.L[0]))
        return NoiseSample(self.recipe.model_copy(update=few | {"steps": steps}))

    def pilot(self) -> tuple[NoiseSweep, Stage]:
        """Recipe of the pilot of an undecided recipe, and its record."""
        recipe = self.recipe
        share = max(PILOT_LEAST, math.ceil(recipe.images / PILOT_SHARE))
        images = min(recipe.images, math.ceil(share / recipe.batch) * recipe.batch)
        first = recipe.model_copy(update={"images": images, "target_error": None})
        return first, Stage(eta=recipe.eta, images=images, why=f"pilot, of {recipe.images} images asked for")

    def decided(self, results: Results) -> NoiseSweep:
        """Recipe with what follows from the results of its pilot."""
        from physnn.analysis.collapse.exponents import Settings
        from physnn.analysis.curves.curves import curves_of
        from physnn.analysis.verdict.planning import CAP, Refinement, fit_pilot, refine

        recipe = self.recipe
        assert recipe.target_error is not None
        first, stage = self.pilot()
        asked = recipe.images / first.images
        groups = {L: NoiseSample(first).assemble(L, results) for L in first.L}
        sizes = {
            L: (group["eta"].values, {name: v.values for name, v in group.items() if v.values.ndim == 3})
            for L, group in groups.items()
        }
        try:
            stream = rng.stream(0, "bootstrap", recipe.target_observable)
            found = curves_of(sizes, recipe.target_observable, "eta", Settings().resamples, stream)
            fit = fit_pilot(found, sizes)
            plan = refine(fit, recipe.target_error, asked=asked, draws="images")
        except InputError as error:
            reason = f"no refinement, for the pilot cannot be fitted: {error}"
            plan = Refinement(recipe.eta, asked, False, math.nan, 0, reason)
        images = math.ceil(plan.factor * first.images - 1e-6)
        if images not in (first.images, recipe.images):
            most = min(CAP * len(first.eta) * first.images / len(plan.values), 10**7)
            images = math.ceil(min(images, most) / recipe.batch) * recipe.batch
            images = max(first.images, images if images <= most else images - recipe.batch)
        last = Stage(eta=plan.values, images=images, why=plan.reason)
        update = {"eta": last.eta, "images": images, "asked_images": recipe.images, "stages": (stage, last)}
        return recipe.model_copy(update=update)


def network_paths(recipe: NoiseSweep) -> dict[str, str | Source]:
    """File that holds each network of a resolved recipe, or its class and weights if it was brought."""
    paths: dict[str, str | Source] = {}
    if recipe.module and not recipe.networks:
        paths.update(brought_sources(recipe))
    for name in recipe.networks:
        try:
            path = resolve(name)
        except InputError:
            continue  # a file that was moved is not missed if another one holds its networks
        if recipe.module:
            paths.update(brought_sources(recipe, (str(path),)))
        else:
            paths.update({i: str(path) for i in read_networks(path).ids if i not in paths})
    if lost := [i for i in recipe.network_ids if i not in paths]:
        raise InputError(f"network {lost[0]} of the recipe is in none of {', '.join(recipe.networks)}; name its file")
    return {i: paths[i] for i in recipe.network_ids}
