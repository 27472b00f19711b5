"""Reports of files: one page of all that they say, written whole or not at all."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import physnn
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.reports.kinds_of_files import tell_file
from physnn.reports.page import ReportPart, report_page
from physnn.reports.pairs import tell_pair
from physnn.reports.told import Telling
from physnn.shipped import resolve
from physnn.store.guard import is_sealed
from physnn.store.hdf5 import content_digest, is_hdf5, write_bytes
from physnn.store.sweep_file import FORMAT, kind_of

PROVENANCE = {
    "physnn_version": "physnn",
    "git_commit": "commit",
    "created": "made at",
    "platform": "machine",
    "libraries": "libraries",
}
"""What a file records of its making, and how a page calls it."""


def written_page(
    *sources: str | Path,
    out: str | Path | None = None,
    observable: str | None = None,
    at: Mapping[str, float] | None = None,
) -> Path:
    """Page of all that files say, for a browser, as ``physnn report`` writes it.

    Parameters
    ----------
    *sources : path or str
        Files of physnn, bundled ensembles, or plain tables.  Two of them are compared, too.
    out : path, optional
        The page, by default named after the first file, in the folder where one is.
    observable : str, optional
        What of curves.
    at : mapping of str to float, optional
        Line of files with several control parameters, see `physnn.on_line`.

    Returns
    -------
    Path
        Of the page: one file of HTML that needs no network.

    Raises
    ------
    InputError
        If a file is missing or not whole, has no such observable or line, or ``out`` cannot be a page.

    Examples
    --------
    >>> import physnn
    >>> physnn.report("kuramoto_symmetric", out="networks.html").name
    'networks.html'
    """
    if not sources:
        raise InputError("a report is of files: name one")
    page = Path(out) if out is not None else Path(f"{Path(sources[0]).stem}.html")
    write_report(sources, page, observable, at)
    return page


def write_report(
    sources: Sequence[str | Path],
    out: str | Path,
    observable: str | None = None,
    at: Mapping[str, float] | None = None,
    progress: Progress = silent,
) -> list[ReportPart]:
    """Parts of a report of files, which is written to ``out`` as one page of HTML that needs no network.

    Parameters
    ----------
    sources : sequence of path or str
        Files of physnn, bundled ensembles, or plain tables.  Two of them are compared, too.
    out : path
        The page; it is either whole or not there.
    observable : str, optional
        What of curves.
    at : mapping of str to float, optional
        Line of files with several control parameters.
    progress : callable, optional
        Called with (done, total, text).

    Raises
    ------
    InputError
        If a file is missing or not whole, or ``out`` cannot be a page.
    """
    out = Path(out)
    check_page(out, [Path(source) for source in sources])
    parts = report_parts(sources, observable, at, progress)
    write_bytes(out, report_page(parts, made_now()).encode(errors="backslashreplace"))
    return parts


def write_told(told: Sequence[Telling], sources: Sequence[Path], out: Path, command: str) -> None:
    """Write what a command computed from files, or from none, as a page of HTML that needs no network.

    Parameters
    ----------
    told : sequence of Telling
        The answer.
    sources : sequence of path
        Files it rests on: recipe of a single one, and digests of all.
    out : path
        The page; it is either whole or not there.
    command : str
        Line that makes the page.

    Raises
    ------
    InputError
        If ``out`` cannot be a page, or a file is not whole.
    """
    check_page(out, sources)
    recipe = _recipe(kind_of(sources[0])[1]) if len(sources) == 1 else {}
    facts = [_provenance(path) for path in sources]
    several = {
        f"{path.name}: {name}": text for path, own in zip(sources, facts, strict=True) for name, text in own.items()
    }
    title = ", ".join(path.name for path in sources) or command
    part = ReportPart(title, told, recipe, facts[0] if len(facts) == 1 else several, [("This page:", command)])
    write_bytes(out, report_page([part], made_now()).encode(errors="backslashreplace"))


def check_page(out: Path, sources: Sequence[Path]) -> None:
    """Raise InputError if a page cannot go to ``out``, before anything is computed."""
    from physnn.machine import check_folder, check_no_link

    if out.suffix not in (".html", ".htm"):
        raise InputError(f"a report is a page of HTML: choose a name that ends in .html, not {out}")
    if any(out.exists() and source.exists() and out.samefile(source) for source in sources):
        raise InputError(f"{out} is one of the files to report on; choose another --out")
    check_folder(out)
    check_no_link(out)
    if is_sealed(out):
        raise InputError(f"{out} is a file of physnn, which a page does not replace; choose another --out")


def made_now() -> str:
    """When and with what a page is made."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return f"Made by physnn {physnn.__version__} at {now}. This page loads nothing from elsewhere."


def report_parts(
    sources: Sequence[str | Path],
    observable: str | None = None,
    at: Mapping[str, float] | None = None,
    progress: Progress = silent,
) -> list[ReportPart]:
    """Parts of a report, as in `write_report`: two files side by side first, then every file by itself."""
    parts, total = [], len(sources) + (len(sources) == 2)
    for k, source in enumerate(sources):
        progress(k, total, str(source))
        parts.append(_part_of(source, observable, at))
    if len(sources) == 2:
        progress(2, total, "side by side")
        parts = _beside(sources, observable, at) + parts
    progress(total, total, "")
    return parts


def _beside(sources: Sequence[str | Path], observable: str | None, at: Mapping[str, float] | None) -> list[ReportPart]:
    """Part of two files side by side; none where they have nothing to compare."""
    a, b = (resolve(str(source)) for source in sources)
    try:
        told = tell_pair(a, b, observable, at)
    except InputError:
        return []
    line = f"physnn compare {shlex.quote(str(a))} {shlex.quote(str(b))}"
    return [ReportPart(f"{a.name} beside {b.name}", [told], {}, {}, [("Compare them:", line)])]


def _part_of(source: str | Path, observable: str | None, at: Mapping[str, float] | None) -> ReportPart:
    told = tell_file(source, observable, at)
    path = resolve(str(source))
    if not is_hdf5(path):
        facts = {"file": str(path), "bytes": f"{path.stat().st_size:,}"}
        return ReportPart(path.name, told, {}, facts, _commands(path, "", {}, observable))
    format_name, attrs = kind_of(path)
    return ReportPart(
        path.name, told, _recipe(attrs), _provenance(path), _commands(path, format_name, attrs, observable)
    )


def _provenance(path: Path) -> dict[str, str]:
    """Digest of a file, and what it records of its making."""
    format_name, attrs = kind_of(path)
    facts = {"file": str(path), "format": format_name, "digest of its data": content_digest(path)}
    return facts | {text: str(attrs[name]) for name, text in PROVENANCE.items() if attrs.get(name)}


def _recipe(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that a file records, by name."""
    import json

    found = json.loads(str(attrs.get("recipe", "{}")))
    plain = (bool, int, float, str)
    return {
        str(name): value if isinstance(value, plain) else json.dumps(value)
        for name, value in (found.items() if isinstance(found, dict) else ())
        if value is not None
    }


def _commands(path: Path, format_name: str, attrs: Mapping[str, Any], observable: str | None) -> list[tuple[str, str]]:
    """What a command does, and its line: that which made a file, its recipe once more, and this page."""
    name, found = shlex.quote(str(path)), []
    if attrs.get("command"):
        found.append(("This command made the file:", str(attrs["command"])))
    if format_name == FORMAT:
        again = shlex.quote(str(path.with_name(f"{path.stem}-again.h5").name))
        text = "Its recipe once more, into another file; on one machine with these libraries the numbers are the same:"
        found.append((text, f"physnn run {name} --out {again}"))
    chosen = f" --observable {shlex.quote(observable)}" if observable else ""
    page = shlex.quote(f"{path.stem}.html")
    return [*found, ("This page:", f"physnn report {name}{chosen} --out {page}")]
