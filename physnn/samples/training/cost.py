"""What the training of one Kuramoto network takes: memory, room for its weights, multiplications."""

from __future__ import annotations

from physnn.networks.kuramoto.training import TrainingRecipe


def training_bytes(recipe: TrainingRecipe) -> float:
    """Return about how many bytes the training of one network takes.

    The derivative keeps about 7 arrays of the size of the state for every step, and there are some 18 more; measured
    for L = 20 to 128, 4 and 16 components, 1 to 15 steps.  Weights are held about 8 times: with gradient, averages of
    the optimiser and checkpoint.
    """
    states = 4.0 * recipe.batch * recipe.components * recipe.L**2 * (7 * recipe.steps + 18)
    images = 16.0 * max(recipe.batch, recipe.validation_pairs) * recipe.L**2
    return states + images + 8.0 * weight_bytes(recipe) + 8.0 * recipe.epochs


def weight_bytes(recipe: TrainingRecipe) -> float:
    """Return about how many bytes the weights of one network are."""
    return 4.0 * (recipe.architecture.layers or 1) * (recipe.components * recipe.kernel) ** 2


def training_operations(recipe: TrainingRecipe) -> float:
    """Return the multiplications of the convolutions alone, forwards and back."""
    per_image = 3.0 * recipe.steps * (recipe.L * recipe.components * recipe.kernel) ** 2
    return recipe.epochs * recipe.batches_per_epoch * recipe.batch * per_image
