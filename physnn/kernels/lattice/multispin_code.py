"""Instructions on words and on vectors of words, for `physnn.kernels.lattice.multispin_loops`.

Vectors of words are no numba type: the code for them is emitted as LLVM instructions, which any CPU runs in registers
as wide as it has, with the same result.  The ``_emit`` functions emit for words and for vectors of words alike.
"""

from __future__ import annotations

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from physnn.kernels.primitives import data

WORD_BITS = 64
"""Spins in a word."""
VECTOR = 8
"""Words in a vector: the width of AVX-512, and the number of random generators that run abreast."""
SHARE = 4
"""Vectors whose few undecided spins use random words together."""
WORDS_TOGETHER = VECTOR * SHARE
"""Words updated together."""
OWN = 6
"""Digits of a random number that a spin has for itself."""
COMMON = 6
"""Digits of a random number that a spin takes from words shared by those still undecided."""
COMPARED_DIGITS = OWN + COMMON
"""Digits compared before a spin gets a 64-bit number of its own."""
LANES = VECTOR + 1
"""Generators of a column block: those abreast, and one for the 64-bit numbers."""
_WORD = ir.IntType(64)
_WORDS = ir.VectorType(_WORD, VECTOR)


def _constant(kind, n):
    return kind([n] * VECTOR) if kind == _WORDS else kind(n)


def _rotated(b, x, n):
    return b.or_(b.shl(x, _constant(x.type, n)), b.lshr(x, _constant(x.type, WORD_BITS - n)))


def next_words(b, s):
    """Advance xoshiro256++ with state list ``s`` and return its number."""
    drawn = b.add(_rotated(b, b.add(s[0], s[3]), 23), s[0])
    shifted = b.shl(s[1], _constant(s[1].type, 17))
    s[2], s[3] = b.xor(s[2], s[0]), b.xor(s[3], s[1])
    s[1], s[0] = b.xor(s[1], s[2]), b.xor(s[0], s[3])
    s[2], s[3] = b.xor(s[2], shifted), _rotated(b, s[3], 45)
    return drawn


def _emit_unlike(b, own, neighbours):
    """Masks "at least two neighbours are unlike" and "at least one is"."""
    w, x, y, z = (b.xor(own, other) for other in neighbours)
    some, others = b.or_(w, x), b.or_(y, z)
    two = b.or_(b.or_(b.and_(w, x), b.and_(y, z)), b.and_(some, others))
    return two, b.or_(some, others)


def _emit_below(b, s, some, undecided, digits):
    """Compare one random number per bit with its threshold; return the masks "below" and "all digits equal"."""
    below = _constant(some.type, 0)
    for one, none in digits:
        drawn = next_words(b, s)
        digit = b.or_(b.and_(some, one), b.and_(b.not_(some), none))
        # The majority of (not drawn, digit, below), written so that it takes one three-operand instruction.
        below = b.or_(b.and_(b.not_(drawn), b.or_(digit, below)), b.and_(digit, below))
        undecided = b.and_(undecided, b.not_(b.xor(drawn, digit)))
    return below, undecided


def _place(b, base, index, kind):
    return b.bitcast(b.gep(base, [index]), kind.as_pointer())


def _load(b, base, index, kind=_WORDS):
    return b.load(_place(b, base, index, kind), align=8)


def _store(b, value, base, index):
    b.store(value, _place(b, base, index, value.type), align=8)


def _emit_chunk(b, words, places, generator, first, digits, rest):
    number = ir.IntType(64)
    s = [_load(b, generator, b.add(first, number(i * LANES))) for i in range(4)]
    splat = [_emit_splat(b, _load(b, digits, number(i), _WORD)) for i in range(2 * COMPARED_DIGITS)]
    pairs = [(splat[i], splat[COMPARED_DIGITS + i]) for i in reversed(range(COMPARED_DIGITS))]
    taken = chosen = _constant(_WORDS, 0)
    vectors = []
    # The lowest digit comes first: a spin whose higher digits are equal keeps what the lower ones said.
    for q in range(SHARE):
        at = [b.add(place, number(q * VECTOR)) for place in places]
        own = _load(b, words, at[0])
        two, some = _emit_unlike(b, own, [_load(b, words, i) for i in at[1:]])
        below, undecided = _emit_below(b, s, some, b.not_(two), pairs[COMMON:])
        mine = b.and_(undecided, b.not_(taken))
        chosen = b.or_(chosen, b.and_(mine, some))
        taken = b.or_(taken, undecided)
        vectors.append((at[0], own, b.or_(two, below), undecided, mine))
    below, late = _emit_below(b, s, chosen, taken, pairs[:COMMON])
    mask = number(0)
    for q, (at, own, flips, undecided, mine) in enumerate(vectors):
        _store(b, b.xor(own, b.or_(flips, b.and_(mine, below))), words, at)
        mine_late = b.and_(mine, late)
        left = b.or_(mine_late, b.and_(undecided, b.not_(mine)))
        _store(b, left, rest, number(q * VECTOR))
        _store(b, mine_late, rest, number(WORDS_TOGETHER + q * VECTOR))
        bits = b.bitcast(b.icmp_unsigned("!=", left, _constant(_WORDS, 0)), ir.IntType(VECTOR))
        mask = b.or_(mask, b.shl(b.zext(bits, number), number(q * VECTOR)))
    for i in range(4):
        _store(b, s[i], generator, b.add(first, number(i * LANES)))
    return mask


def _emit_splat(b, word):
    none = ir.Constant(_WORDS, ir.Undefined)
    everywhere = ir.VectorType(ir.IntType(32), VECTOR)([0] * VECTOR)
    return b.shuffle_vector(b.insert_element(none, word, ir.IntType(32)(0)), none, everywhere)


@intrinsic
def update_chunk(typing, words, places, generator, first, digits, rest):
    """Update `WORDS_TOGETHER` words, given where they and their neighbours begin: own, same, shifted, left, right.

    Undecided bits are left in ``rest``: all of them in the first half, those that have used `COMPARED_DIGITS` digits
    again in the second.  Returned is one bit for every word that has any.
    """

    def code(context, b, signature, args):
        kinds = signature.args
        w, g, d, r = (data(context, b, kinds[i], args[i]) for i in (0, 2, 4, 5))
        where = [b.extract_value(args[1], i) for i in range(5)]
        return _emit_chunk(b, w, where, g, args[3], d, r)

    return types.uint64(words, types.UniTuple(types.int64, 5), generator, types.int64, digits, rest), code


@intrinsic
def unlike(typing, own, same, shifted, left, right):
    """Masks "at least two neighbours are unlike" and "at least one is"."""

    def code(context, b, signature, args):
        return context.make_tuple(b, signature.return_type, _emit_unlike(b, args[0], args[1:]))

    return types.UniTuple(types.uint64, 2)(*[types.uint64] * 5), code


@intrinsic
def draw_lane(typing, generator, first):
    """Next number of the generator whose four words begin at ``first``, LANES apart."""

    def code(context, b, signature, args):
        base = data(context, b, signature.args[0], args[0])
        at = [b.add(args[1], ir.IntType(64)(i * LANES)) for i in range(4)]
        s = [_load(b, base, i, _WORD) for i in at]
        drawn = next_words(b, s)
        for i in range(4):
            _store(b, s[i], base, at[i])
        return drawn

    return types.uint64(generator, types.int64), code


@intrinsic
def lowest(typing, word):
    """Index of the lowest one of a word that is not zero."""

    def code(context, b, signature, args):
        return b.cttz(args[0], ir.IntType(1)(1))

    return types.uint64(types.uint64), code


@intrinsic
def ones(typing, word):
    """Number of ones of a word."""

    def code(context, b, signature, args):
        return b.ctpop(args[0])

    return types.uint64(types.uint64), code


def _emit_active(b, s, threshold):
    """Draw until every bit has met a digit of ``threshold`` that differs from its own; return the mask "below"."""
    number, entry = ir.IntType(64), b.block
    loop, done = b.append_basic_block("digit"), b.append_basic_block("decided")
    b.branch(loop)
    b.position_at_end(loop)
    state = [b.phi(_WORDS) for _ in range(4)]
    below, undecided, digits = b.phi(_WORDS), b.phi(_WORDS), b.phi(number)
    carried = [*state, below, undecided, digits]
    first = [*s, _constant(_WORDS, 0), _constant(_WORDS, 2**WORD_BITS - 1), threshold]
    moved = list(state)
    digit = _emit_splat(b, b.ashr(digits, number(WORD_BITS - 1)))
    differs = b.xor(next_words(b, moved), digit)
    # A number is below where it differs first at a one of the threshold.
    now_below = b.or_(below, b.and_(b.and_(undecided, differs), digit))
    left, rest = b.and_(undecided, b.not_(differs)), b.shl(digits, number(1))
    for value, before, after in zip(carried, first, [*moved, now_below, left, rest], strict=True):
        value.add_incoming(before, entry)
        value.add_incoming(after, loop)
    some = b.bitcast(b.icmp_unsigned("!=", left, _constant(_WORDS, 0)), ir.IntType(VECTOR))
    more = b.and_(b.icmp_unsigned("!=", some, ir.IntType(VECTOR)(0)), b.icmp_unsigned("!=", rest, number(0)))
    b.cbranch(more, loop, done)
    b.position_at_end(done)
    return now_below, moved


@intrinsic
def draw_active(typing, generator, threshold, words, first):
    """Write `VECTOR` words from ``first`` on, whose bits are one with probability ``threshold / 2^64``.

    ``generator`` is flat, of `LANES` lanes, of which the last is left alone.
    """

    def code(context, b, signature, args):
        g, w = (data(context, b, signature.args[i], args[i]) for i in (0, 2))
        number = ir.IntType(64)
        s = [_load(b, g, number(i * LANES)) for i in range(4)]
        below, s = _emit_active(b, s, args[1])
        for i in range(4):
            _store(b, s[i], g, number(i * LANES))
        _store(b, below, w, args[3])
        return context.get_dummy_value()

    return types.void(generator, types.uint64, words, types.int64), code
