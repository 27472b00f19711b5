"""Transformers that read a label off the first token of a text; networks of several seeds lie side by side.

A frozen embedding becomes the input in one of `physnn.networks.sentiment.arms.SENTIMENT_ARMS`.
Then come learned positions, and layers of attention
and of a feed-forward network, each added to its input and normalised (J. Devlin et al., arXiv:1810.04805).  The label
is read at the first token, so that the last layer computes nothing else.  Dropout is that of embeddings and of what is
added; attention itself drops nothing, which lets one fused call compute it.
Source: "Symmetry breaking in neural network optimization: insights from input dimension expansion", section 6.3.2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as f

from physnn.networks.forms import streams_of
from physnn.networks.sentiment.arms import INTERLEAVED

TOKENS_AT_ONCE = 128, 512
"""Fewest and most tokens for which a feed-forward network is computed at a time."""
INNER_AT_ONCE = 2**17
"""Numbers of the inner layer that are computed at a time, if so many tokens allow: what it holds stays in the cache."""
POSITION_SIZE = 0.02
"""Standard deviation of first positions (Devlin et al.)."""
PLACES = 2
"""Places of a layer where dropout acts."""
SeedWeights = dict[str, Tensor]


@dataclass(frozen=True)
class ReaderShape:
    """Sizes of a transformer: layers, components of a token, heads, inner width, and tokens at most."""

    layers: int
    hidden: int
    heads: int
    feed_forward: int
    tokens: int

    def masks(self, texts: int, length: int) -> tuple[int, int, int, int]:
        """ReaderShape of the factors of dropout of one network: places, texts, tokens, components."""
        return PLACES * self.layers + 2, texts, length, self.hidden

    def operations(self) -> float:
        """Multiplications and additions of one token, forwards."""
        inner = 4 * self.hidden**2 + 2 * self.hidden * self.feed_forward + 2 * self.hidden * self.tokens
        return 2.0 * self.layers * inner


def first_weights(arm: str, seeds: Sequence[int], shape: ReaderShape) -> dict[str, np.ndarray]:
    """First weights of networks by name, ``(seeds, inputs, outputs)``.

    Weights and biases are uniform within 1 / sqrt(inputs).  Every parameter has a stream of its own, so that forms of
    one seed share what they can: the layer of ``zeros`` has, where it matters, the weights of ``linear-small``.
    """
    d, word = shape.hidden, "other" if arm == "other" else "none"

    def drawn(name: str, *sizes: int, fan: int) -> np.ndarray:
        each = [one.uniform(-1, 1, sizes) for one in streams_of(seeds, "sentiment", word, name)]
        return np.stack(each) / math.sqrt(fan)

    normal = [one.standard_normal((shape.tokens, d)) for one in streams_of(seeds, "sentiment", word, "position")]
    found = {"position": POSITION_SIZE * np.stack(normal)}
    if arm not in ("none", "other"):
        fan = d if arm == "linear" else 2 * d
        weight = drawn("expand.weight", d, d, fan=fan)
        if arm in INTERLEAVED:
            between = drawn("expand.between", d, d, fan=fan)
            weight = np.stack([weight, between], axis=2).reshape(len(seeds), 2 * d, d)
        found |= {"expand.weight": weight, "expand.bias": drawn("expand.bias", 1, d, fan=fan)}
    linear = {"pool": (d, d), "class": (d, 2)}
    for k in range(shape.layers):
        linear |= {f"{k}.mix": (d, 3 * d), f"{k}.out": (d, d)}
        linear |= {f"{k}.up": (d, shape.feed_forward), f"{k}.down": (shape.feed_forward, d)}
    for name, (inputs, outputs) in linear.items():
        found[f"{name}.weight"] = drawn(f"{name}.weight", inputs, outputs, fan=inputs)
        found[f"{name}.bias"] = drawn(f"{name}.bias", 1, outputs, fan=inputs)
    for name in ("embed", *(f"{k}.norm{n}" for k in range(shape.layers) for n in range(PLACES))):
        found |= {f"{name}.gain": np.ones((len(seeds), 1, d)), f"{name}.shift": np.zeros((len(seeds), 1, d))}
    return found


class BlockedFeedForward(torch.autograd.Function):
    """``gelu(x U + a) V + b`` for ``(seeds, tokens, hidden)`` on a CPU, some tokens at a time.

    What lies between the two products is larger than the cache, and than what an allocator keeps.  So it is never held:
    the way back computes it again, which is one product of six.
    """

    @staticmethod
    def forward(ctx: Any, *given: Tensor) -> Tensor:
        """Outputs, like the first of x, U, a, V and b."""
        ctx.save_for_backward(*given[:4])
        x = given[0]
        y, step = torch.empty_like(x), _tokens_at_once(given[1])
        for xs, u, a, v, b, ys in zip(*given, y, strict=True):
            for k in range(0, len(xs), step):
                inner = f.gelu(torch.addmm(a, xs[k : k + step], u))
                torch.addmm(b, inner, v, out=ys[k : k + step])
        return y

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, ...]:
        """Gradients by x, U, a, V and b."""
        x, u, a, v = ctx.saved_tensors
        (g,) = slopes
        by_x, by_u, by_a, by_v = torch.empty_like(x), *(torch.zeros_like(each) for each in (u, a, v))
        step = _tokens_at_once(u)
        for r in range(len(x)):
            for k in range(0, x.shape[1], step):
                part = slice(k, k + step)
                xs, gs = x[r, part], g[r, part]
                before = torch.addmm(a[r], xs, u[r])
                by_v[r].addmm_(f.gelu(before).t(), gs)
                inner = torch.ops.aten.gelu_backward(torch.mm(gs, v[r].t()), before)
                by_u[r].addmm_(xs.t(), inner)
                by_a[r] += inner.sum(0)
                torch.mm(inner, u[r].t(), out=by_x[r, part])
        return by_x, by_u, by_a, by_v, g.sum(1, keepdim=True)


def _tokens_at_once(u: Tensor) -> int:
    return int(np.clip(INNER_AT_ONCE // u.shape[-1], *TOKENS_AT_ONCE))


def feed_forward(x: Tensor, u: Tensor, a: Tensor, v: Tensor, b: Tensor) -> Tensor:
    """``gelu(x U + a) V + b`` for ``(seeds, tokens, hidden)``."""
    if x.device.type == "cpu":
        found: Tensor = BlockedFeedForward.apply(x, u, a, v, b)
        return found
    return torch.baddbmm(b, f.gelu(torch.baddbmm(a, x, u)), v)


def expanded(embedded: Tensor, arm: str, constant: float) -> Tensor:
    """Embeddings with a number after each component: 0 in the arm ``zeros``, the constant in ``constants``."""
    between = torch.full_like(embedded, constant if arm == "constants" else 0.0)
    return torch.stack([embedded, between], dim=-1).flatten(-2)


class Reader:
    """Networks of several seeds in one form of the embedding: logits from tokens.

    Parameters
    ----------
    arm : str
        One of `physnn.networks.sentiment.arms.SENTIMENT_ARMS`.
    shape : ReaderShape
        Sizes.
    constant : float
        Put after every component in the arm ``constants``.
    weights : dict of Tensor
        By name, ``(seeds, inputs, outputs)``, see `first_weights`.
    """

    def __init__(self, arm: str, shape: ReaderShape, constant: float, weights: SeedWeights) -> None:
        self.arm, self.shape, self.constant, self.weights = arm, shape, constant, weights

    def logits(self, embedded: Tensor, counts: Tensor, masks: Tensor | None = None) -> Tensor:
        """Logits against and in favour, ``(seeds, texts, 2)``.

        Parameters
        ----------
        embedded : Tensor, shape (seeds, texts, length, hidden)
            Frozen embeddings of the tokens.
        counts : Tensor, shape (seeds, texts)
            Tokens of each text; what follows is padding, and seen by no other token.
        masks : Tensor, shape (seeds, places, texts, length, hidden), optional
            Factors of dropout, see `ReaderShape.masks`.
        """
        length, w, x = embedded.shape[2], self.weights, embedded
        if "expand.weight" in w:
            x = expanded(x, self.arm, self.constant) if self.arm in INTERLEAVED else x
            x = self._linear(x.flatten(1, 2), "expand").view(embedded.shape)
        x = x + w["position"][:, None, :length]
        x = _dropped(self._normal(x.flatten(1, 2), "embed").view(embedded.shape), masks, 0)
        whole = bool((counts == length).all())
        inside = None if whole else (torch.arange(length, device=x.device) < counts[..., None]).flatten(0, 1)
        for k in range(self.shape.layers):
            x = self._layer(x, k, inside, masks)
        pooled = torch.tanh(self._linear(x[:, :, 0], "pool"))
        return self._linear(_dropped(pooled[:, :, None], masks, -1)[:, :, 0], "class")

    def _layer(self, x: Tensor, k: int, inside: Tensor | None, masks: Tensor | None) -> Tensor:
        """Attention and a feed-forward network, of the first token alone in the last layer."""
        seeds, texts, length, d = x.shape
        mixed = self._linear(x.flatten(1, 2), f"{k}.mix")
        q, key, value = mixed.view(seeds * texts, length, 3, self.shape.heads, -1).permute(2, 0, 3, 1, 4)
        if k == self.shape.layers - 1:
            q, x = q[:, :, :1], x[:, :, :1]
        mask = None if inside is None else inside[:, None, None]
        seen = f.scaled_dot_product_attention(q, key, value, mask)
        added = self._linear(seen.transpose(1, 2).reshape(seeds, -1, d), f"{k}.out").view(x.shape)
        place = 1 + PLACES * k
        x = self._normal((x + _dropped(added, masks, place)).flatten(1, 2), f"{k}.norm0").view(x.shape)
        w = self.weights
        inner = [w[f"{k}.{name}.{kind}"] for name in ("up", "down") for kind in ("weight", "bias")]
        added = feed_forward(x.flatten(1, 2), *inner).view(x.shape)
        return self._normal((x + _dropped(added, masks, place + 1)).flatten(1, 2), f"{k}.norm1").view(x.shape)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return torch.baddbmm(self.weights[f"{name}.bias"], x, self.weights[f"{name}.weight"])

    def _normal(self, x: Tensor, name: str) -> Tensor:
        """Components of mean 0 and variance 1, times gains, with shifts added."""
        gain, shift = self.weights[f"{name}.gain"], self.weights[f"{name}.shift"]
        if len(x) == 1:
            return f.layer_norm(x, x.shape[-1:], gain.view(-1), shift.view(-1))
        return torch.addcmul(shift, f.layer_norm(x, x.shape[-1:]), gain)


def _dropped(x: Tensor, masks: Tensor | None, place: int) -> Tensor:
    """Hidden components times the factors of dropout of a place; x has as many tokens as there are factors, or one."""
    return x if masks is None else x * masks[:, place, :, : x.shape[2]]
