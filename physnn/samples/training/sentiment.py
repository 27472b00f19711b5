"""Transformers trained on reviews: one task trains one form of the embedding, from one seed or several on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from physnn.analysis.statistics.power import Power, binomial_scatter, power_table
from physnn.errors import InputError
from physnn.machine import Footprint
from physnn.networks.sentiment.arms import SENTIMENT_ARMS
from physnn.samples.base import Growth, more
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.samples.training.forms import SEEDS_AT_ONCE, FormSample, FormTraining

if TYPE_CHECKING:
    from physnn.networks.sentiment.corpus import Corpus
    from physnn.networks.sentiment.learning import LearningChoice

PAPER_POINTS = 0.27
"""Gain that the source reports, in percentage points: 83.67 in place of 83.40."""
PAPER_SHARE = 0.834
"""Share of right answers of the source's network without expansion."""
BOUND = "independent mistakes"
"""Name of the scatter of two networks whose mistakes have nothing to do with each other."""
SHORT_OPERATIONS = 3e10
"""Operations of the training by which time is judged."""
SENTIMENT_PAPER = {"feed_forward": 3072, "tokens": 256, "train": 24_000, "validation": 1_000, "steps": 22_500}
"""Settings of the source, 30 epochs of 25,000 reviews; all test reviews."""
MOST_REVIEWS = 10**7
"""Largest number of reviews that may be asked for."""


class SentimentRecipe(FormTraining):
    """Recipe of transformers trained on reviews."""

    size: ClassVar[str] = "tokens"
    grows: ClassVar[Mapping[str, Growth]] = {"arms": more, "seeds": more}
    located: ClassVar[tuple[str, ...]] = ("data",)
    first_mark: ClassVar[int] = 50
    effects: ClassVar[Mapping[str, float]] = {"the source's gain": PAPER_POINTS, "ten times that": 10 * PAPER_POINTS}

    kind: Literal["train-sentiment"] = "train-sentiment"
    data: str
    arms: Annotated[tuple[Literal[SENTIMENT_ARMS], ...], Field(min_length=1)] = Field(  # type: ignore[valid-type]
        default=SENTIMENT_ARMS,
        examples=["none linear zeros"],
        description=f"Forms of the embedding: {', '.join(SENTIMENT_ARMS)}.",
    )
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = Field(
        default=(0, 1, 2, 3), examples=["0 1 2"], description="One network each, for every arm."
    )
    constant: Annotated[float, Field(ge=-1e3, le=1e3)] = Field(
        default=0.5, description="Number after every component in the arm 'constants'."
    )
    tokens: Annotated[int, Field(ge=4, le=512)] = Field(default=96, description="Tokens of a review at most.")
    train: Annotated[int, Field(ge=2, le=MOST_REVIEWS)] = Field(default=2000, description="Training reviews.")
    validation: Annotated[int, Field(ge=2, le=MOST_REVIEWS)] = Field(
        default=300, description="Further training reviews, by which a mark of the training is chosen."
    )
    test: Annotated[int, Field(ge=2, le=MOST_REVIEWS)] | None = Field(
        default=None, description="Test reviews [default: all]."
    )
    vocabulary: Annotated[int, Field(ge=16, le=60_000)] = Field(
        default=4000, description="Tokens that are trained on the reviews; MiniLM has its own."
    )
    embedding: Literal["counts", "random", "minilm"] = Field(
        default="counts", description="Frozen embeddings: from neighbours in the training reviews, random, or MiniLM's."
    )
    layers: Annotated[int, Field(ge=1, le=48)] = Field(default=4, description="Layers.")
    hidden: Annotated[int, Field(ge=1, le=4096)] = Field(default=48, description="Components of a token.")
    heads: Annotated[int, Field(ge=1, le=64)] = Field(default=4, description="Heads of attention.")
    feed_forward: Annotated[int, Field(ge=1, le=65_536)] = Field(
        default=192, description="Inner width of the feed-forward networks."
    )
    batch: Annotated[int, Field(ge=1, le=10**5)] = Field(default=32, description="Reviews of a step.")
    steps: Annotated[int, Field(ge=1, le=10**8)] = Field(default=300, description="Steps of AdamW.")
    lr: Annotated[float, Field(gt=0, le=10)] = Field(default=1e-3, description="Learning rate of AdamW.")
    weight_decay: Annotated[float, Field(ge=0, le=1)] = Field(default=0.01, description="Decay of weights in AdamW.")
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.1, description="Share that dropout leaves out.")
    precision: Literal["float32", "float64"] = Field(default="float32", description="Precision of the training.")
    device: Literal["cpu", "cuda"] = "cpu"
    data_digest: str = ""

    def resolved(self) -> SentimentRecipe:
        """Recipe with what the reviews are and the number of test reviews.

        Raises
        ------
        InputError
            If the reviews cannot be read or are too few, or heads do not divide the components.
        """
        from physnn.networks.sentiment.corpus import sizes_of
        from physnn.networks.sentiment.vocabulary import minilm_file

        if self.hidden % self.heads:
            raise InputError(f"{self.heads} heads do not divide {self.hidden} components; choose --heads that do")
        if self.embedding == "minilm":
            minilm_file("tokenizer.json")
        train, test, left_out, digest = sizes_of(Path(self.data))
        if self.data_digest not in ("", digest):
            raise InputError(f"the reviews {self.data} are not those of the recipe; name its file")
        asked = self.train + self.validation
        if asked > train or (self.test or 0) > test:
            without = f" ({left_out:,} more are test reviews as well and left out)" if left_out else ""
            raise InputError(
                f"{self.data} has {train:,} training{without} and {test:,} test reviews, but {asked:,} (with those for "
                f"validation) and {self.test or test:,} are asked for; lower --train, --validation or --test"
            )
        return self.model_copy(update={"test": self.test or test, "data_digest": digest})

    def power(self) -> tuple[Power, ...]:
        """Seeds that show the effects, in percentage points, if mistakes of networks are independent of each other."""
        scatter = 100 * binomial_scatter(PAPER_SHARE, self.test or 1)
        return power_table(self.effects, {BOUND: scatter}, len(self.seeds), self.comparisons())


class SentimentSample(FormSample):
    """Transformers by form of the embedding and seed."""

    Recipe = SentimentRecipe
    recipe: SentimentRecipe
    footprint = Footprint(344e6, 200e6, 426e6)
    advice = "smaller --feed-forward, --tokens or --batch, fewer --steps, --seeds or --arms, or fewer --jobs"

    def sizes(self) -> tuple[int, ...]:
        """Tokens of a review: all networks are in one group."""
        return (self.recipe.tokens,)

    def split(self, size: int) -> dict[str, int]:
        """Every task has one arm, and one seed on a CPU; a GPU trains some side by side."""
        return {"arm": 0, "seed": SEEDS_AT_ONCE if self.recipe.device == "cuda" else 1}

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays by name."""
        assert self.recipe.test is not None
        review = Axis(self.recipe.test, meaning="number of the test review")
        bar = Axis(("naive Bayes", "ridge"), meaning="simple model")
        return super().axes(size) | {"review": review, "bar": bar}

    def parameters(self, size: int) -> int:
        """Number of weights that are kept: none, for right answers say more in less space."""
        return 0

    def quantities(self, size: int) -> dict[str, Measured]:
        """Shares of right answers and cross-entropies at every mark, and right answers, by name."""
        each = ("arm", "seed", "mark")
        found = {"train_loss": Measured("", "1", "cross-entropy of training batches since the last mark", each)}
        for name in ("validation", "test"):
            found[f"{name}_accuracy"] = Measured("", "1", f"share of {name} reviews that are told right", each)
            found[f"{name}_loss"] = Measured("", "1", f"mean cross-entropy of {name} reviews", each)
            found[f"{name}_loss_error"] = Measured("", "1", f"error of {name}_loss over reviews", each)
        return found | {
            "right": Measured("", "1", "whether a test review is told right", (*each, "review")),
            "bar_right": Measured("", "1", "whether simple models tell a test review right", ("bar", "review")),
            "identity": Measured("", "1", "largest difference of logits of zeros and linear-small", ("arm", "seed")),
        }

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory and operations of a task: three times the way forwards, and tests at every mark."""
        recipe, seeds = self.recipe, len(at["seed"])
        tested = (recipe.validation + (recipe.test or 0)) / 3 * len(recipe.marks())
        reviews = recipe.steps * recipe.batch + tested
        # Compiled passes hold a tenth of what torch keeps for the way back; measured.
        kept_numbers = (
            10 * (20 * recipe.hidden + 2 * recipe.feed_forward) if recipe.device == "cuda" else 12 * recipe.hidden
        )
        held = 4.0 * recipe.layers * recipe.batch * size * kept_numbers
        # Words of a training review of IMDB, from which the vocabulary comes, and numbers of tokens; measured.
        learned = recipe.train + recipe.validation
        texts = 26e3 * learned + 12.0 * size * (learned + (recipe.test or 0))
        # Where zeros are held against another form, torch is loaded beside the compiled passes.
        texts += 9e7 * ("zeros" in recipe.arms)
        kept = 8.0 * len(recipe.marks()) * (recipe.test or 0)
        operations = 3.0 * self._choice().shape.operations() * size * reviews
        return Resources(texts + seeds * (held + kept), seeds * operations)

    def _choice(self) -> LearningChoice:
        from physnn.networks.sentiment.learning import LearningChoice
        from physnn.networks.sentiment.transformer import ReaderShape

        r = self.recipe
        shape = ReaderShape(r.layers, r.hidden, r.heads, r.feed_forward, r.tokens)
        return LearningChoice(shape, r.constant, r.batch, r.lr, r.weight_decay, r.dropout, r.precision, r.device)

    def _corpus(self) -> Corpus:
        from physnn.networks.sentiment.corpus import CorpusChoice, corpus_of

        r = self.recipe
        sizes = r.train, r.validation, r.test or 0, r.tokens, r.vocabulary
        return corpus_of(CorpusChoice(r.data, r.data_digest, *sizes, r.embedding, r.hidden))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Train one arm from some seeds, or go on with it; ``zeros`` is held against ``linear-small`` first."""
        from physnn.networks.device import single_thread
        from physnn.networks.sentiment.baselines import BARS
        from physnn.networks.sentiment.learning import SentimentTraining, difference_of_zeros

        arm, seeds, corpus, choice = task["arm"], task["seed"], self._corpus(), self._choice()
        with single_thread():
            identity = np.full(len(seeds), np.nan)
            if arm == "zeros":
                identity = difference_of_zeros(seeds, corpus, choice)
            found = self.trained(SentimentTraining(arm, seeds, corpus, choice), task, checkpoint)
            bars = np.stack([model(corpus) for model in BARS.values()]).astype(np.uint8)
        if not np.isfinite(found["test_loss"]).all():
            raise InputError(f"{task.label}: the training has left all bounds; take a smaller --lr")
        return found | {"identity": identity, "bar_right": bars}

    def short(self) -> SentimentSample:
        """Two trainings of a few steps, tested on few reviews."""
        shape, r = self._choice().shape, self.recipe
        steps = int(np.clip(SHORT_OPERATIONS / (3 * shape.operations() * r.tokens * r.batch), 2, 1000))
        update = {
            "arms": ("none", "other"),
            "seeds": r.seeds[:1],
            "steps": steps,
            "test": min(r.test or 2, 2 * r.batch),
        }
        return SentimentSample(r.model_copy(update=update))
