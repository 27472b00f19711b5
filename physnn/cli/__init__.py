"""The command line: parse, build a recipe, make one call, print.  Commands load only when they are used."""

from __future__ import annotations

import atexit
import functools
import io
import os
import signal
import sys
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

import physnn

COMMANDS = {
    "sweep-noise": ("sweep", "Sweep the noise of trained networks; fit and draw the answer."),
    "sweep-temperature": ("sweep", "Sweep the temperature of the Ising or Potts model; fit and draw the answer."),
    "sweep-percolation": ("recipes", "Sweep the occupation of site percolation; fit and draw the answer."),
    "sweep-coupling": ("recipes", "Sweep the coupling of Kuramoto oscillators; fit and draw the answer."),
    "ground-state": ("quantum.ground", "Train Boltzmann machines to ground states of quantum spins."),
    "path-integral": ("quantum.reference", "Sample quantum Ising spins without bias; fit and draw the answer."),
    "run": ("recipes", "Run a recipe of any kind from a file of settings, also of a kind that is brought."),
    "train": ("train", "Train an ensemble of networks."),
    "diagnose": ("networks", "What a trained network is: gradient flow or cycle, order, errors."),
    "memory": ("networks", "How long a domain in a network survives noise, and how that grows with L."),
    "seam": ("networks", "What a line of bonds turned from J to -J costs: walls, a twist, or nothing."),
    "replicas": ("networks", "How far apart replicas of a trained network end."),
    "equivariance": ("training.equivariance", "How far trained networks are from treating turned images alike."),
    "energy-map": ("bottleneck.energy", "Where the energy of a convolutional network's layers lies, and why there."),
    "recall": ("bottleneck.recall", "How well images are told from a memory of a network's vectors of others."),
    "class-angle": ("bottleneck.angles", "Whether images of a class lie to one side of all others, and why."),
    "matches": ("bottleneck.matches", "Where vectors of a layer find their nearest ones, in a class and in another."),
    "charges": ("training.charges", "What gradient flow keeps, and how the steps of a training moved it."),
    "count": ("count", "Exact loss landscapes of +-1 networks, and of the Ising model."),
    "fit": ("fit", "Critical point and exponents of a sweep file or a table, or that there are none."),
    "compare": ("fit", "Exponents of two files side by side, and beside the known classes."),
    "decide": ("fit", "What kind of transition equilibrium sweeps show: Ising, BKT-like, or else."),
    "entangle": ("quantum.entangle", "Entropies of the cuts of ground states, machines and random machines."),
    "flow": (
        "training.flow",
        "Renormalize configurations block by block: exponents, couplings, a fixed point?",
    ),
    "show": ("files", "What a physnn file holds, with the digest of its data."),
    "status": ("files", "How far the run that makes a file is, from any terminal."),
    "report": ("reports.report", "Put all that files say on one page for a browser."),
    "plot": ("files", "Draw a sweep file or the training curves of network files."),
    "export": ("files", "Curves of a sweep as CSV, JSON or Parquet, or its arrays as netCDF."),
    "merge": ("files", "Put finished sweeps together, or the parts of an unfinished one."),
    "verify": ("files", "Check that files are whole and unchanged."),
    "selftest": ("check", "Compare every sampler with exact results."),
    "bench": ("check", "Measure the speed of this installation."),
}
"""Module and one line of help of every command, so that `--help` imports none of them."""
NOTHING_KEPT = ("entangle", "class-angle", "matches")
"""Commands that take long and keep nothing before their end."""


class LazyGroup(click.Group):
    """A group that imports a command when it is run or its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            near = get_close_matches(cmd_name, COMMANDS, n=1)
            advice = f"did you mean {near[0]!r}?" if near else "physnn --help lists them"
            raise click.UsageError(f"there is no command {cmd_name!r}; {advice}")
        module = import_module(f"physnn.cli.{COMMANDS[cmd_name][0]}")
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(physnn.__version__, prog_name="physnn")
def cli() -> None:
    """Phase transitions in lattice models and neural networks: is there one, where, and of which class?

    Start with:  physnn sweep-noise --L 32 64 128

    Exit status: 0 done; 1 some tasks failed; 2 bad input; 3 stopped early, or undecided; 130 interrupted.
    """


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit with its status: never a traceback without ``--debug``."""
    words = sys.argv[1:] if args is None else args
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names that the terminal's encoding does not have
    debug = "--debug" in words
    for number in (signal.SIGTERM, getattr(signal, "SIGUSR1", signal.SIGTERM)):
        signal.signal(number, functools.partial(_told_to_stop, words))
    status = run([word for word in words if word != "--debug"], debug)
    if status in (3, 130):
        _leave(status)
    sys.exit(status)


def _told_to_stop(words: list[str], number: int, _frame: object) -> NoReturn:
    """End in order where no run is under way that would do so."""
    from physnn.errors import Unfinished

    raise Unfinished(f"stopped ({signal.Signals(number).name}); {_kept(words)}")


def _kept(words: list[str]) -> str:
    """What is left of a command that is stopped."""
    if words[:1] and words[0] in NOTHING_KEPT:
        return "nothing is kept of an unfinished answer, the same command begins anew"
    return "everything finished is saved, the same command continues"


def _leave(status: int) -> NoReturn:
    """End the process without taking its libraries apart, which can take seconds, and whatever Python thinks of it.

    Python ends by a signal where a KeyboardInterrupt passed through an ``exec``, even if it was caught.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(words: list[str], debug: bool = False) -> int:  # noqa: PLR0911  (one return for each status)
    """Run the command line and return its exit status; errors become one line on stderr."""
    from physnn.errors import InputError, TasksFailed, Unfinished, naming_extras

    try:
        with naming_extras():
            status = cli.main(words, prog_name="physnn", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return _fail(2, error.format_message(), debug)
    except InputError as error:
        return _fail(2, str(error), debug)
    except (TasksFailed, Unfinished) as error:
        return _stop(1 if isinstance(error, TasksFailed) else 3, str(error), words, debug)
    except OSError as error:
        text = f"{error.filename or 'a file'}: {error.strerror or error}; what was finished is saved"
        return _stop(3, text, words, debug)
    except (KeyboardInterrupt, click.Abort):
        return _interrupted(words, debug)
    except MemoryError as error:
        text = f" ({error})" if str(error) else ""
        return _fail(2, f"memory is short{text}; what was finished is saved: take something smaller", debug)
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            # Compiled libraries wrap a Ctrl-C that meets them.
            return _interrupted(words, debug)
        if _of_numbas_cache(error):
            advice = "remove it (__pycache__ beside physnn's kernels, or NUMBA_CACHE_DIR); it is made again"
            return _fail(2, f"the cache of compiled code is damaged ({type(error).__name__}): {advice}", debug)
        # A newcomer gets one line here too; what it was is one flag away.
        text = f"{type(error).__name__}: {error}"[:200]
        return _fail(2, f"this could not be done ({text}); --debug shows where, if the input looks right", debug)


def _interrupted(words: list[str], debug: bool) -> int:
    return _stop(130, f"interrupted; {_kept(words)}", words, debug)


def _stop(status: int, message: str, words: list[str], debug: bool) -> int:
    """Print the JSON object that was asked for where there is no result, and the line."""
    if "--json" in words:
        from physnn.cli.output import print_json

        names = {1: "failed", 3: "unfinished", 130: "interrupted"}
        print_json({"status": names[status], "message": message})
    return _fail(status, message, debug)


def _of_numbas_cache(error: Exception) -> bool:
    """Whether numba failed to read what it compiled before."""
    place = error.__traceback__
    while place is not None:
        if Path(place.tb_frame.f_code.co_filename).parts[-3:] == ("numba", "core", "caching.py"):
            return True
        place = place.tb_next
    return False


def _fail(status: int, message: str, debug: bool) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    label = "Error" if status in (1, 2) else "Stopped"
    click.echo(f"{label}: {' '.join(message.split())}", err=True)
    return status
