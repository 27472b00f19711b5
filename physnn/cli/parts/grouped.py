"""Help of a command: what it does, options in groups, those of its examples first, and the examples at the end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import click

from physnn.cli.parts.values import CALLED_WITH, with_values

UNGROUPED = 12
"""Options that need no groups (convention)."""
FILE_OPTIONS = ("--out", "--figure", "--report", "--json", "--config", "--extend", "--shard", "--dry-run")
RUN_OPTIONS = (
    "--device",
    "--jobs",
    "--executor",
    "--insecure",
    "--restart",
    "--max-time",
    "--quiet",
    "--debug",
    "--help",
)
HEADINGS = {"Files and answer": FILE_OPTIONS, "Running": RUN_OPTIONS}
"""Groups that all commands share, by their options' names."""
USED = "Used in the examples"
UNUSED = "More settings"


class HelpedCommand(click.Command):
    """A command whose examples stand at the end of its help, below options in groups."""

    headings: Mapping[str, str] = MappingProxyType({})
    """Group by name of an option that belongs to one way of using the command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse as ever; keep the words, since a shell completes before all of them make sense."""
        ctx.meta[CALLED_WITH] = tuple(args)
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Parameters; a shell completes the values of those that have names."""
        found = super().get_params(ctx)
        with_values(found)
        return found

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what the command does, without its examples."""
        shown, self.help = self.help, "\n\n".join(text for text in _paragraphs(self.help) if not _is_example(text))
        try:
            super().format_help_text(ctx, formatter)
        finally:
            self.help = shown

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options: in one list where they are few, else in groups, those of the examples first."""
        records = [(param, record) for param in self.get_params(ctx) if (record := param.get_help_record(ctx))]
        groups: dict[str, list[tuple[str, str]]] = {}
        if len(records) <= UNGROUPED:
            groups["Options"] = [record for _, record in records]
        else:
            used = set(re.findall(r"--[\w-]+", " ".join(self.examples())))
            own = dict.fromkeys(self.headings.values())
            groups = {name: [] for name in (USED, UNUSED, *own, *HEADINGS)}
            for param, record in records:
                groups[self._group(param, used)].append(record)
        for name, rows in groups.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows)

    def _group(self, param: click.Parameter, used: set[str]) -> str:
        if isinstance(param, click.Argument):
            return USED
        names = set(param.opts)
        for heading, members in HEADINGS.items():
            if names & set(members):
                return heading
        return USED if names & used else self.headings.get(param.name or "", UNUSED)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if examples := self.examples():
            with formatter.section("Examples"):
                for line in examples:
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")
        super().format_epilog(ctx, formatter)

    def examples(self) -> list[str]:
        """Lines of the examples in the docstring: paragraphs that begin with the program's name."""
        lines = [line for text in _paragraphs(self.help) if _is_example(text) for line in text.splitlines()]
        return [line.strip() for line in lines if line.strip("\b ")]


def _paragraphs(text: str | None) -> list[str]:
    return (text or "").split("\n\n")


def _is_example(text: str) -> bool:
    return text.lstrip("\b\n ").startswith("physnn ")
