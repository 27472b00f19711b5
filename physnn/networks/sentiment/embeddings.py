"""Embeddings of tokens that stay as they are in a training: counted in its texts, random, or MiniLM's."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import svds

from physnn import rng
from physnn.machine import single_blas_thread
from physnn.networks.sentiment.vocabulary import PADDING, minilm_file
from physnn.store.weights_file import read_weights

TOKENS_BESIDE = 5
"""Tokens on each side that a token is counted with (convention)."""
MINILM_NAME = "embeddings.word_embeddings.weight"
"""Name of the embeddings in MiniLM's file."""


def counted_embeddings(tokens: np.ndarray, counts: np.ndarray, size: int, width: int) -> np.ndarray:
    """Embeddings by the company that tokens keep in texts: leading directions of their mutual information.

    From counts n_ij of tokens i and j within `TOKENS_BESIDE` of each other follows max(0, ln(n_ij n / n_i n_j)), whose
    leading singular vectors, times the roots of their values, are the embeddings (O. Levy and Y. Goldberg, NeurIPS
    2014).  Their signs are such that the component of each that is largest is positive.

    Parameters
    ----------
    tokens, counts : ndarray
        Tokens of texts ``(texts, length)``, and how many each has.
    size, width : int
        Number of tokens, and of components.

    Returns
    -------
    ndarray, shape (size, width)
        Rows of tokens that the texts lack are 0, as are components beyond those there are.
    """
    inside = np.arange(tokens.shape[1]) < counts[:, None]
    together = csr_matrix((size, size))
    for step in range(1, min(TOKENS_BESIDE, tokens.shape[1] - 1) + 1):
        both = inside[:, step:]
        pair = tokens[:, :-step][both], tokens[:, step:][both]
        together = together + csr_matrix((np.ones(len(pair[0])), pair), (size, size))
    together = (together + together.T).tocoo()
    often = np.maximum(np.asarray(together.sum(0)).ravel(), 1.0)
    information = np.log(together.data * often.sum() / (often[together.row] * often[together.col]))
    matrix = csr_matrix((np.maximum(information, 0.0), (together.row, together.col)), (size, size))
    found = np.zeros((size, width))
    if k := min(width, size - 1):
        with single_blas_thread():
            left, values, _ = svds(matrix, k, v0=np.ones(size))
        order = np.argsort(-values)
        left = left[:, order] * np.sqrt(values[order])
        signs = np.sign(left[np.abs(left).argmax(0), np.arange(k)])
        found[:, :k] = left * np.where(signs == 0, 1.0, signs)
    return found


def random_embeddings(size: int, width: int) -> np.ndarray:
    """Embeddings that know nothing, the same in all networks, normal, ``(size, width)``."""
    return rng.stream(0, "weights", "sentiment", "embedding").standard_normal((size, width))


def minilm_embeddings(own: np.ndarray, often: np.ndarray, width: int) -> np.ndarray:
    """MiniLM's embeddings of tokens by its own numbers, in the directions where texts vary most.

    Parameters
    ----------
    own : ndarray of int, shape (size,)
        MiniLM's numbers of the tokens; -1: none.
    often : ndarray, shape (size,)
        How often each occurs in the training texts.
    width : int
        Number of components; MiniLM has 384.

    Returns
    -------
    ndarray, shape (size, width)
    """
    weights = next(iter(read_weights(minilm_file("model.safetensors")).values()))
    table = np.where(own[:, None] >= 0, weights[MINILM_NAME][np.maximum(own, 0)], 0.0).astype(float)
    table -= np.average(table, axis=0, weights=often)
    with single_blas_thread():
        _, directions = np.linalg.eigh((table * often[:, None]).T @ table)
    main = directions[:, ::-1][:, :width]
    found = np.zeros((len(own), width))
    found[:, : main.shape[1]] = table @ (main * np.sign(main[np.abs(main).argmax(0), np.arange(main.shape[1])]))
    return found


def standardised(table: np.ndarray, often: np.ndarray) -> np.ndarray:
    """Embeddings whose mean over training texts is 0, and whose mean square is 1; that of the padding is 0."""
    moved = table - np.average(table, axis=0, weights=often)
    size = np.sqrt(np.average(np.mean(moved**2, axis=1), weights=often))
    moved = moved / (size if size > 0 else 1.0)
    moved[PADDING] = 0.0
    return moved
