"""Diffusion models of several seeds in training: they learn to colour images in one form, and draw samples.

All arrays of a network lie in one row of memory, convolutions with channels last, so that a step of the optimiser and
of the running mean of the weights is one call each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.func import grad_and_value, vmap

from physnn import rng
from physnn.networks.adam import Adam
from physnn.networks.colour.bars import sample_errors
from physnn.networks.colour.diffusion import NOISE_SHARES, RATE_STEPS, Diffusion, denoised, noised
from physnn.networks.colour.pictures import FORM_FACTORS, ColourPictures, grey_of
from physnn.networks.colour.rows import ColourNetworks, ColourSettings
from physnn.networks.colour.unet import unet, written_norm
from physnn.networks.colour.unet_shapes import UNetShape
from physnn.networks.forms import Arrays

WEIGHT_DECAY = 0.01
"""Share of the weights that a step takes away, over its length (AdamW)."""
FIRST_MEANS = 10
"""Steps over which the running mean of the weights begins: its memory is (1 + t) / (10 + t) at most."""
MEASURED_AT_ONCE = 64
"""Images in one call where nothing is learned."""


class ColourTraining:
    """Training of diffusion models in one form of the images, for `physnn.networks.forms.train_to_marks`.

    ``raw`` has the images; ``expanded`` has them and their grey versions expanded by 2 before noise is added, with the
    pixels in between left out of the loss; ``enlarged`` has every noisy pixel four times.  All other arms are raw, and
    ``other`` has seeds of its own.  Batches, noise levels and the noise of original pixels are the same in all arms.

    Parameters
    ----------
    shape : UNetShape
        Of the networks.
    arm : str
        Form of the images.
    seeds : sequence of int
        Seeds of weights, batches and noise.
    pictures : ColourPictures
        Images.
    settings : ColourSettings
        All else.

    Attributes
    ----------
    samples : ndarray, shape (seeds, n, k, 3, side, side)
        Those that were measured last, from 0 to 1.
    losses : Tensor, shape (seeds,)
        Losses of the last batches, before the step.
    steps : int
        Steps taken.
    """

    def __init__(
        self, shape: UNetShape, arm: str, seeds: Sequence[int], pictures: ColourPictures, settings: ColourSettings
    ) -> None:
        self.arm, self.seeds, self.pictures, self.settings = arm, seeds, pictures, settings
        self.word, self.factor = "other" if arm == "other" else "raw", FORM_FACTORS.get(arm, 1)
        self.dtype = getattr(torch, settings.precision)
        self.networks = ColourNetworks(shape, self.word, seeds, self.dtype, settings.device)
        self.diffusion, self.steps = Diffusion(settings.times), 0
        self.kept = self._tensor(self.diffusion.kept)
        flat = self.networks.flat
        self.mean, self.slopes = flat.clone(), torch.zeros_like(flat)
        self.adam = Adam([flat], settings.lr, WEIGHT_DECAY, fused=True, decoupled=True)
        flat.grad = self.slopes
        self.samples, self.losses = np.empty(0), flat.new_zeros(len(seeds))
        colours = [self._tensor(2 * images - 1) for images in (pictures.train, pictures.test)]
        greys = [self._tensor(2 * grey_of(images) - 1) for images in (pictures.train, pictures.test)]
        self.colours, self.test_colours = colours
        self.greys, self.test_greys = (self._laid(each, self._filled(each)) for each in greys)
        self._orders: dict[tuple[int, int], np.ndarray] = {}
        self._gradients = self._stacked() if settings.engine == "stacked" else self._looped()

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.settings.device, self.dtype)

    def _filled(self, like: Tensor) -> Tensor | None:
        """Background of expanded images without noise."""
        if self.arm != "expanded":
            return None
        height, width = (self.factor * n for n in like.shape[-2:])
        return like.new_full((*like.shape[:-2], height, width), 2 * self.settings.fill - 1)

    def _laid(self, pixels: Tensor, background: Tensor | None) -> Tensor:
        """Images in the form of the arm: every pixel once, four times, or on a background."""
        if background is not None:
            background[..., :: self.factor, :: self.factor] = pixels
            return background
        return pixels.repeat_interleave(self.factor, -2).repeat_interleave(self.factor, -1)

    def _inputs(self, noisy: Tensor, grey: Tensor, kept: Tensor, noise: Tensor | None) -> Tensor:
        """Inputs of a network: noisy colours in the form of the arm, over grey images that have it.

        ``noise`` is that of the pixels in between, whose colour is known.
        """
        background = self._filled(noisy)
        if background is not None and noise is not None:
            background = noised(background, noise, kept)
        return torch.cat([self._laid(noisy, background), grey.expand(*noisy.shape[:-3], *grey.shape[-3:])], -3)

    def _originals(self, found: Tensor) -> Tensor:
        """Pixels of images in the form of the arm that are there without it."""
        return found[..., :: self.factor, :: self.factor]

    # Training.

    def batch(self, r: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, noise levels and noise of the next step of network r."""
        s, seed = self.settings, self.seeds[r]
        count = len(self.colours)
        per_epoch = max(1, count // s.batch)
        epoch, place = divmod(self.steps, per_epoch)
        if (r, epoch) not in self._orders:
            self._orders = {key: order for key, order in self._orders.items() if key[0] != r}
            self._orders[r, epoch] = rng.stream(seed, "order", "colour", self.word, epoch).permutation(count)
        chosen = torch.from_numpy(self._orders[r, epoch][place * s.batch : (place + 1) * s.batch]).to(s.device)
        draw = rng.stream(seed, "batch", "colour", self.word, self.steps)
        times = torch.from_numpy(draw.integers(1, s.times + 1, len(chosen))).to(s.device)
        x0 = self.colours[chosen]
        noise = self._tensor(draw.standard_normal(x0.shape, np.float32))
        kept = self.kept[times][:, None, None, None]
        between = self._between(x0, rng.stream(seed, "fill", "colour", self.word, self.steps))
        inputs = self._inputs(noised(x0, noise, kept), self.greys[chosen], kept, between)
        return inputs, self._levels(times), noise

    def _between(self, like: Tensor, draw: np.random.Generator) -> Tensor | None:
        """Noise of expanded images."""
        if self.arm != "expanded":
            return None
        shape = (*like.shape[:-2], *(self.factor * n for n in like.shape[-2:]))
        return self._tensor(draw.standard_normal(shape, np.float32))

    def _levels(self, times: Tensor) -> Tensor:
        return times.to(self.dtype) * (RATE_STEPS / self.settings.times)

    def _loss(self, arrays: dict[str, Tensor], inputs: Tensor, levels: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the noise at original pixels."""
        return ((self._originals(self._net(arrays, inputs, levels)) - noise) ** 2).mean()

    def _net(self, arrays: dict[str, Tensor], inputs: Tensor, levels: Tensor) -> Tensor:
        """Answer of one network."""
        if self.settings.engine == "stacked":
            return unet(arrays, self.networks.shape, inputs, levels, written_norm)
        return unet(arrays, self.networks.shape, inputs.contiguous(memory_format=torch.channels_last), levels)

    def _looped(self) -> Callable[[], None]:
        """Gradients of a network after the other, which torch adds up where they belong."""
        weights = self.networks.views(self.networks.flat)
        slopes = self.networks.views(self.slopes)
        leaves = []
        for r in range(len(self.seeds)):
            own = {name: view[r].detach().requires_grad_() for name, view in weights.items()}
            for name, leaf in own.items():
                leaf.grad = slopes[name][r]
            leaves.append(own)

        def gradients() -> None:
            self.slopes.zero_()
            for r, own in enumerate(leaves):
                loss = self._loss(own, *self.batch(r))
                loss.backward()
                self.losses[r] = loss.detach()

        return gradients

    def _stacked(self) -> Callable[[], None]:
        """Gradients of all networks at once."""
        slopes = self.networks.views(self.slopes)
        by_all = vmap(grad_and_value(self._loss))

        def gradients() -> None:
            batches = [self.batch(r) for r in range(len(self.seeds))]
            inputs, levels, noise = (torch.stack(each) for each in zip(*batches, strict=True))
            found, self.losses = by_all(self.networks.views(self.networks.flat), inputs, levels, noise)
            for name, slope in found.items():
                slopes[name].copy_(slope)

        return gradients

    def advance(self) -> None:
        """Take a step of AdamW, and of the running mean of the weights."""
        self._gradients()
        self.adam.step()
        self.steps += 1
        memory = min(self.settings.ema, (1 + self.steps) / (FIRST_MEANS + self.steps))
        self.mean.lerp_(self.networks.flat, 1 - memory)

    def state(self) -> dict[str, np.ndarray]:
        """Weights, their running means, moments, and steps taken."""
        own = self.adam.state[self.networks.flat]
        arrays = {"flat": self.networks.flat, "mean": self.mean, "first": own["exp_avg"], "second": own["exp_avg_sq"]}
        found = {f"state_{name}": each.numpy(force=True).copy() for name, each in arrays.items()}
        return found | {"state_step": np.array(self.steps)}

    def restore(self, kept: Arrays) -> None:
        """Put a state back."""
        own, self.steps = self.adam.state[self.networks.flat], int(kept["state_step"])
        arrays = {"flat": self.networks.flat, "mean": self.mean, "first": own["exp_avg"], "second": own["exp_avg_sq"]}
        for name, each in arrays.items():
            each.copy_(torch.from_numpy(np.array(kept[f"state_{name}"])))
        own["step"].fill_(self.steps)

    # Measurement, by the running means of the weights.

    def predicted(self, inputs: Tensor, time: int) -> Tensor:
        """Noise at original pixels that all networks see in inputs ``(seeds, n, 4, rows, columns)`` at a step."""
        arrays = self.networks.views(self.mean)
        levels = self._levels(torch.full(inputs.shape[1:2], time, device=inputs.device))
        if self.settings.engine == "stacked":
            return self._originals(vmap(lambda own, x: self._net(own, x, levels))(arrays, inputs))
        rows = [{name: view[r] for name, view in arrays.items()} for r in range(len(inputs))]
        return self._originals(torch.stack([self._net(own, x, levels) for own, x in zip(rows, inputs, strict=True)]))

    @torch.no_grad()
    def measure(self) -> dict[str, np.ndarray]:
        """Loss by noise level, ``(seeds, levels)``, and `sample_errors`, ``(seeds,)`` each, on the test images."""
        losses = np.stack([self._test_loss(k) for k in range(len(NOISE_SHARES))], axis=-1)
        self.samples = self._samples()
        return {"loss": losses} | sample_errors(self.samples, self.pictures.test)

    def _test_loss(self, level: int) -> np.ndarray:
        """Loss of all networks at a noise level, ``(seeds,)``; the noise is the same for all networks."""
        draw, time = (
            rng.stream(0, "batch", "colour", "test", level),
            max(1, round(NOISE_SHARES[level] * self.settings.times)),
        )
        between_draw = rng.stream(0, "fill", "colour", "test", level)
        total, seeds = np.zeros(len(self.seeds)), len(self.seeds)
        for begin in range(0, len(self.test_colours), MEASURED_AT_ONCE):
            x0, grey = (each[begin : begin + MEASURED_AT_ONCE] for each in (self.test_colours, self.test_greys))
            noise, kept = self._tensor(draw.standard_normal(x0.shape, np.float32)), self.kept[time]
            inputs = self._inputs(noised(x0, noise, kept), grey, kept, self._between(x0, between_draw))
            found = self.predicted(inputs.expand(seeds, *inputs.shape), time)
            total += ((found - noise) ** 2).double().mean((2, 3, 4)).sum(1).numpy(force=True)
        return total / len(self.test_colours)

    def _samples(self) -> np.ndarray:
        """Samples of all test images, from 0 to 1; noise has a seed for every image and sample, not every network."""
        count, step, found = self.settings.samples, max(1, MEASURED_AT_ONCE // self.settings.samples), []
        for begin in range(0, len(self.test_colours), step):
            some = range(begin, min(begin + step, len(self.test_colours)))
            words = [(k, j) for k in some for j in range(count)]
            draws = [rng.stream(0, "noise", "colour", *each) for each in words]
            between_draws = [rng.stream(0, "fill", "colour", *each) for each in words]
            like = self.test_colours[begin]
            fresh = self._fresh(draws)
            between = None
            if self.arm == "expanded":
                between = torch.stack([b for d in between_draws if (b := self._between(like, d)) is not None])
            grey = self.test_greys[begin : begin + len(some)].repeat_interleave(count, 0)

            def predict(x: Tensor, t: int, grey: Tensor = grey, between: Tensor | None = between) -> Tensor:
                return self.predicted(self._inputs(x, grey, self.kept[t], between), t)

            back = fresh if self.settings.sampler == "ancestral" else None
            x = denoised(predict, fresh(), self.diffusion, self.settings.sampling_steps, back)
            found.append(((x.numpy(force=True) + 1) / 2).reshape(len(self.seeds), len(some), count, *like.shape))
        return np.concatenate(found, axis=1)

    def _fresh(self, draws: Sequence[np.random.Generator]) -> Callable[[], Tensor]:
        """Noise of a step of all samples, one generator each, ``(seeds, samples, 3, side, side)``."""
        shape = self.test_colours.shape[1:]

        def fresh() -> Tensor:
            noise = self._tensor(np.stack([draw.standard_normal(shape, np.float32) for draw in draws]))
            return noise.expand(len(self.seeds), *noise.shape)

        return fresh

    def weights(self) -> np.ndarray:
        """Running means of all weights, ``(seeds, weights)``."""
        return self.mean.numpy(force=True).copy()
