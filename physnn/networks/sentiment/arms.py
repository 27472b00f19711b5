"""Forms of frozen embeddings before a transformer."""

SENTIMENT_ARMS = ("none", "other", "linear", "linear-small", "zeros", "constants")
"""Forms of the embedding.

``none`` takes it as it is; ``other`` is that from other seeds, for the null; ``linear`` sends it through a trained
linear layer, ``linear-small`` through one whose first weights are smaller by sqrt 2; ``zeros`` and ``constants`` put a
number after every component before that layer, which has twice the inputs.
"""
INTERLEAVED = ("zeros", "constants")
"""Forms that put a number after every component."""
