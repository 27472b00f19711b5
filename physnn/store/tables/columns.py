"""Roles of a table's columns, told by their names: size, control, value, their errors, time."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from physnn.errors import InputError

ROLES = {
    "size": ("l", "size", "lattice_size", "system_size", "linear_size", "width"),
    "control": (
        "t",
        "temperature",
        "temp",
        "beta",
        "eta",
        "p",
        "k",
        "g",
        "h",
        "j",
        "x",
        "control",
        "field",
        "coupling",
    ),
    "value": ("y", "value", "u4", "u_4", "binder", "u", "q", "m", "|m|", "m_abs", "chi", "c", "xi/l", "xi_over_l"),
    "error": ("error", "err", "sigma", "std_error", "stderr", "sem", "dy", "error_plus", "err_plus"),
    "error_minus": ("error_minus", "err_minus", "error_low", "err_low"),
    "control_error": ("x_error", "dx", "x_err", "control_error"),
    "time": ("time", "steps", "sweeps"),
}
"""Names of columns by role, in small letters; any other name may be given a role by the user."""
GENERIC = ("y", "value")
"""Names of values that say nothing of the observable."""
ALIASES = (("u4", "u_4", "binder"), ("xi/l", "xi_over_l"), ("m", "|m|", "m_abs"))
"""Names of one observable."""
ERROR_PREFIX = r"d_?|e_|err(?:or)?_?|sigma_?|delta_?|std_?|se_|sem_?"
ERROR_SUFFIX = r"_?(?:err(?:or)?s?|std(?:err|_error)?|sem|sigma|se|unc(?:ertainty)?)"
"""Parts of names that make the name of a value that of its error, before it and behind it."""
SIZE = re.compile(r"(?:l|n|size)?\s*[=_]?\s*(\d{1,15})", re.IGNORECASE)
"""Name of a column of one size in a wide table."""


@dataclass(frozen=True)
class Roles:
    """Places of the columns by role, and what to say of how they were told apart."""

    places: Mapping[str, int]
    remarks: tuple[str, ...] = ()


def plain(word: str) -> str:
    """Name in small letters, with single underscores for blanks and without brackets."""
    return re.sub(r"[\s_]+", "_", re.sub(r"[()\[\]{}]", " ", word).strip().lower())


def error_of(word: str, names: Sequence[str]) -> int | None:
    """Place in ``names`` of the quantity whose error a column has by its name; None if it has no such name."""
    small = [plain(name) for name in names]
    found = plain(word)
    for pattern in (f"(?:{ERROR_PREFIX})(.+)", f"(.+?){ERROR_SUFFIX}"):
        match = re.fullmatch(pattern, found)
        if match and match[1] in small and match[1] != found:
            return small.index(match[1])
    return None


def is_header(words: Sequence[str]) -> bool:
    """Whether a comment names columns: a size, and most words names that are known or errors of others."""
    small = [plain(word) for word in words]
    known = {name for names in ROLES.values() for name in names}
    sure = sum(name in known or error_of(name, words) is not None for name in small)
    return any(name in ROLES["size"] for name in small) and 2 * sure > len(words) >= 3


def wide_sizes(header: Sequence[str]) -> dict[int, int]:
    """Place and size of the columns of a wide table, which has one for each size; empty if it is none."""
    sizes = {k: int(m[1]) for k, word in enumerate(header) if (m := SIZE.fullmatch(plain(word)))}
    names = [header[k] for k in sizes]
    rest = [word for k, word in enumerate(header) if k not in sizes and error_of(word, names) is None]
    return sizes if len(sizes) >= 2 and len(set(sizes.values())) == len(sizes) and len(rest) == 1 else {}


def layout(
    header: Sequence[str] | None,
    count: int,
    asked: Mapping[str, str],
    observable: str | None,
    uncontrolled: Literal["", "may", "must"] = "",
) -> Roles:
    """Roles of columns.

    Parameters
    ----------
    header : sequence of str or None
        Names of the columns, if there are any.
    count : int
        Number of columns.
    asked : mapping of str to str
        Names, or numbers from 1, of columns that the user gives a role of `ROLES`.
    observable : str, optional
        Name of the value that is wanted.
    uncontrolled : {"", "may", "must"}
        Whether a table may have no control; ``"must"`` if its numbers show that three columns without a header are
        size, value and error.

    Raises
    ------
    InputError
        If there is no such column, or roles cannot be told.
    """
    names = list(header) if header else [str(k + 1) for k in range(count)]
    places = {role: _place(word, names) for role, word in asked.items()}
    twice = [names[k] for k in places.values() if list(places.values()).count(k) > 1]
    if twice:
        raise InputError(f"column {twice[0]} cannot have two roles")
    if header is None:
        if uncontrolled and not places and (count == 2 or (count == 3 and uncontrolled == "must")):
            return Roles({role: k for k, role in enumerate(("size", "value", "error")[:count])})
        return Roles(_numbered(count, places))
    if observable is not None and "value" not in places:
        places |= _observed(observable, names)
    errors = {k: of for k, word in enumerate(names) if (of := error_of(word, names)) is not None}
    for role in ("size", "error", "error_minus", "control_error"):
        if role not in places:
            places |= _named(role, names, [k for k in range(count) if k not in places.values() and k not in errors])
    rest = [k for k in range(count) if k not in places.values() and k not in errors]
    remarks = []
    if "size" not in places:
        if not rest:
            raise InputError(f"no column is the size: name it with --size (columns: {', '.join(names)})")
        places["size"] = rest.pop(0)
        remarks.append(f"column {names[places['size']]} is read as the size L")
    rest = _timed(names, rest, places)
    if "control" not in places and not (uncontrolled and _without_control(names, rest, "value" in places)):
        places["control"] = _control(names, rest, "value" in places)
        rest.remove(places["control"])
    if "value" not in places:
        places["value"] = _value(names, rest, errors)
        rest.remove(places["value"])
    places |= _errors(errors, places)
    return Roles(places, (*remarks, *_unused(names, places)))


def _errors(errors: Mapping[int, int], places: Mapping[str, int]) -> dict[str, int]:
    """Places of the errors of value and control by their names."""
    own = {of: k for k, of in errors.items() if k not in places.values()}
    return {
        role: own[places[of]]
        for role, of in (("error", "value"), ("control_error", "control"))
        if role not in places and places.get(of) in own
    }


def _unused(names: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """Remark on columns that have no role."""
    unused = [name for k, name in enumerate(names) if k not in places.values()]
    if not unused:
        return []
    told = ", ".join(f"{role.replace('_', ' ')} {names[k]}" for role, k in places.items())
    return [f"columns read: {told}; not used: {', '.join(unused)}"]


def _place(word: str, names: Sequence[str]) -> int:
    """Place of a column by its name, by its name in small letters, or by its number."""
    for same in (lambda name: name == word, lambda name: plain(name) == plain(word)):
        found = [k for k, name in enumerate(names) if same(name)]
        if len(found) == 1:
            return found[0]
    if word.isdecimal() and len(word) < 10 and 1 <= int(word) <= len(names):
        return int(word) - 1
    small = {name.lower(): name for name in names}
    near = difflib.get_close_matches(word.lower(), small, n=1, cutoff=0.5)
    hint = f"; did you mean {small[near[0]]}?" if near else ""
    raise InputError(f"there is no single column {word!r}; columns are {', '.join(names)}{hint}")


def _numbered(count: int, places: Mapping[str, int]) -> dict[str, int]:
    """Places without a header: in the order size, control, value, error where the user names none."""
    if places:
        for role in ("size", "control", "value"):
            if role not in places:
                raise InputError(f"the table has no header: give the number of every column, --{role} too")
        return dict(places)
    if count not in (3, 4, 5):
        raise InputError(
            f"it has {count} columns without names: give L, control, value, error (5: lower and upper error), a "
            "header, or numbers of columns with --size, --control, --value, --error"
        )
    order = ["size", "control", "value", "error"][:count]
    return {role: k for k, role in enumerate(order if count < 5 else [*order[:3], "error_minus", "error"])}


def _observed(observable: str, names: Sequence[str]) -> dict[str, int]:
    """Place of an observable by one of its names; nowhere if the only value has a name that says nothing."""
    same = next((group for group in ALIASES if plain(observable) in group), (plain(observable),))
    found = [k for k, name in enumerate(names) if plain(name) in same]
    if len(found) == 1:
        return {"value": found[0]}
    if any(plain(name) in GENERIC for name in names):
        return {}
    raise InputError(f"there is no column {observable}; columns are {', '.join(names)}")


def _named(role: str, names: Sequence[str], free: Sequence[int]) -> dict[str, int]:
    found = [k for k in free if plain(names[k]) in ROLES[role]]
    if len(found) > 1:
        raise InputError(f"columns {names[found[0]]} and {names[found[1]]} mean the same; name one with --{role}")
    return {role: found[0]} if found else {}


def _timed(names: Sequence[str], rest: list[int], places: dict[str, int]) -> list[int]:
    """Columns left when a time has been found; a t beside nothing else that varies is a reduced temperature."""
    if "time" not in places and len(rest) + ("control" in places) + ("value" in places) >= 3:
        times = [k for k in rest if plain(names[k]) in ROLES["time"] or names[k] == "t"]
        if times:
            places["time"] = times[0]
    return [k for k in rest if k != places.get("time")]


def _without_control(names: Sequence[str], rest: Sequence[int], valued: bool) -> bool:
    """Whether the columns left are a value alone, or nothing beside a value that is known."""
    return len(rest) == (0 if valued else 1) and not any(plain(names[k]) in ROLES["control"] for k in rest)


def _control(names: Sequence[str], rest: Sequence[int], valued: bool) -> int:
    known = [k for k in rest if plain(names[k]) in ROLES["control"]]
    if len(known) == 1:
        return known[0]
    if len(rest) == (1 if valued else 2):
        return rest[0]
    if not rest:
        raise InputError(f"no column is the control parameter: name it with --control (columns: {', '.join(names)})")
    raise InputError(_ask(names, rest, "control parameter may be", "--control and --value"))


def _value(names: Sequence[str], rest: Sequence[int], errors: Mapping[int, int]) -> int:
    for chosen in (list(rest), [k for k in rest if k in errors.values()]):
        if len(chosen) == 1:
            return chosen[0]
    if not rest:
        raise InputError(f"no column is the value: name it with --value (columns: {', '.join(names)})")
    raise InputError(_ask(names, rest, "value may be", "--value and, if there is one, --error"))


def _ask(names: Sequence[str], found: Sequence[int], what: str, options: str) -> str:
    return f"the {what} {', '.join(names[k] for k in found)}: say which with {options}"
