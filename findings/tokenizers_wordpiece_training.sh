#!/usr/bin/env bash
# A WordPiece vocabulary trained twice on the same text is two vocabularies.
#
# Guess: training a tokenizer counts pairs and merges the most frequent, ties by a fixed rule, so that the same text and
# settings give the same file in every process; one seed of a network then means the same embedding row for a word.
# Seen (tokenizers 0.23.3, Python 3.11, x86-64): WordPieceTrainer gives other ids in every process, on small texts other
# pieces too; UnigramTrainer the same pieces in another order; BpeTrainer is alike each time.  Letters that continue a
# word ("##a") get their ids in an order that changes from process to process, and ties between merges go by ids.  On
# 1,500 film reviews with 2,000 pieces the sets agreed and the ids did not.
#
#   trainer    orders in 6 processes   sets in 6 processes
#   WordPiece  several                 several
#   BPE        1                       1
#   Unigram    several                 1
#
# What follows: a network's embedding rows, drawn or trained by id, belong to one file of a vocabulary.  Text and seed
# alone do not repeat a training: keep the vocabulary with the run, train with BPE, or build words by sorted counts.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q tokenizers==0.23.3
cat > "$folder/probe.py" <<'PY'
import sys

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

words = "the spin flips and the field turns the lattice of spins into a glass of frozen moments while heat melts order"
words = words.split()
texts = [" ".join(words[i % len(words)] for i in range(k, k + 7)) for k in range(60)]
settings = {"vocab_size": 60, "special_tokens": ["?"], "show_progress": False}
made = {
    "WordPiece": (models.WordPiece(unk_token="?"), trainers.WordPieceTrainer(**settings)),
    "BPE": (models.BPE(unk_token="?"), trainers.BpeTrainer(**settings)),
    "Unigram": (models.Unigram(), trainers.UnigramTrainer(unk_token="?", **settings)),
}
tokenizer, trainer = Tokenizer(made[sys.argv[1]][0]), made[sys.argv[1]][1]
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer.train_from_iterator(texts, trainer)
pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
pieces = [piece for piece, _ in pieces]
print(" ".join(sorted(pieces) if sys.argv[2] == "sets" else pieces))
PY
different() {
    for _ in 1 2 3 4 5 6; do "$folder/venv/bin/python" "$folder/probe.py" "$@"; done | sort -u | wc -l
}
seen=""
for trainer in WordPiece BPE Unigram; do
    for what in orders sets; do
        n=$(different "$trainer" "$what")
        seen="$seen $trainer $what $([ "$n" -gt 1 ] && echo several || echo 1);"
    done
done
echo "$seen"
expected=" WordPiece orders several; WordPiece sets several; BPE orders 1; BPE sets 1;"
expected="$expected Unigram orders several; Unigram sets 1;"
[ "$seen" = "$expected" ] || { echo "tokenizers behaves otherwise now"; exit 1; }
