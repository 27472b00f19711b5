"""``physnn selftest`` and ``physnn bench``: is this installation right, and how fast is it?"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from physnn.cli import options as opt
from physnn.cli.output import print_json, print_table, progress_bar

BENCHES = {
    "ising": "Flips per nanosecond of every Ising kernel, and independent samples per second of every sampler at T_c.",
    "percolation": "Nanoseconds per site of percolation, every run for all p, against random order throughout.",
    "path-integral": "Nanoseconds of updates of world lines of quantum spins, against array operations and ALPS.",
    "oscillators": "Nanoseconds of a step of Kuramoto oscillators, against a plain loop and other packages.",
    "count": "Configurations per second of brute force over +-1 networks, and the time of counting over functions.",
    "train": "Replicas times steps per second of every engine that trains classifiers, against plain loops over them.",
    "pde": "Training steps per second on differential equations, against plain torch and DeepXDE.",
    "colour": "Images per second of training a diffusion model, against plain torch on as many threads.",
    "rbm": "Gibbs updates and training steps per second of Boltzmann machines, against torch, numpy and packages.",
    "ground-state": "Nanoseconds of a proposal and milliseconds of a step of wave functions, against NetKet.",
    "sentiment": "Reviews per second of training transformers on reviews, against plain torch modules.",
    "symmetry": "Milliseconds of convolutions of fields that commute with p4m, against plain ones and e2cnn.",
    "bottleneck": "Images per second of the maps of EfficientNet-Lite0, against plain torch; search for near vectors.",
    "kuramoto": "Milliseconds of a noisy step of 16-component vectors, against eager torch and the convolution alone.",
    "report": "CPU seconds of a report of a file like the default noise sweep's, against a bare start of Python.",
    "store": "Share of a sweep's time that keeping it safe takes, and opening a sealed file against plain h5py.",
    "train-kuramoto": "Image pairs per second of training Kuramoto networks, against a plain torch loop.",
}
"""Commands of ``bench`` with their help text; each calls a function of a module that is loaded only then."""
BENCH_PLACES = {
    "ising": "ising:bench_ising",
    "percolation": "percolation:bench_percolation",
    "path-integral": "quantum.world_lines:bench_world_lines",
    "oscillators": "oscillators:bench_oscillators",
    "count": "count:bench_count",
    "train": "train:bench_train",
    "pde": "pde:bench_pde",
    "colour": "colour:bench_colour",
    "rbm": "boltzmann:bench_machines",
    "ground-state": "quantum.ground:bench_ground",
    "sentiment": "training.sentiment:bench_sentiment",
    "symmetry": "training.fields:bench_fields",
    "bottleneck": "training.bottleneck:bench_bottleneck",
    "kuramoto": "kuramoto:bench_kuramoto",
    "report": "reports.reporting:bench_report",
    "store": "store.sealing:bench_store",
    "train-kuramoto": "kuramoto:bench_kuramoto_training",
}
"""Where they are measured, ``module:function``."""
ON_GPU = {"ising": "gpu:bench_ising_cuda", "kuramoto": "gpu:bench_kuramoto_cuda"}
"""Those that measure a GPU too, with --device cuda."""


@click.command(cls=opt.ListCommand)
@opt.seed_option
@click.option(
    "--module",
    metavar="FILE.py:CLASS",
    help="Check a model of colours of your own instead, on a small lattice by enumeration.  Its code is run.",
)
@opt.plain_options
def selftest_command(seed: int | None, module: str | None, as_json: bool, quiet: bool) -> int:
    """Compare every sampler of lattice models with exact results, and print a table of z-scores.

    Exit status 1 if one is wrong.

    \b
    physnn selftest
    physnn selftest --module my_model.py:MyModel
    """
    from physnn.analysis.statistics.estimate import Estimate
    from physnn.checks.selftest import LARGEST_Z, selftest

    with progress_bar("selftest", quiet) as progress:
        found = selftest(seed or 0, progress, module)
    checks, known = found.checks, [c for c in found.checks if not c.unknown]
    wrong = [c for c in checks if c.wrong]
    if as_json:
        rows = [
            {"sampler": c.case.sampler, "model": c.case.model.name, "L": c.case.L, "T": c.case.T}
            | {"observable": c.quantity, "value": c.value, "error": c.error, "exact": c.exact}
            | {"z": c.z, "source": c.source, "unknown": c.unknown}
            for c in checks
        ]
        largest = max(abs(c.z) for c in known)
        print_json({"checks": rows, "wrong": len(wrong), "largest_z": largest, "left_out": found.left_out})
        return 1 if wrong else 0
    print_table(
        "samplers against exact results",
        ["sampler", "model", "L", "T", "observable", "measured", "exact", "z", "by"],
        [
            [
                c.case.sampler,
                f"{c.case.model.name} q = {c.case.model.q}" if c.case.model.name == "potts" else c.case.model.name,
                str(c.case.L),
                f"{c.case.T:.4g}",
                c.quantity,
                f"{c.value:.4g}" if c.unknown else str(Estimate(c.value, c.error)),
                f"{c.exact:.6f}",
                f"unknown ({c.unknown})" if c.unknown else f"{c.z:+.1f}" + ("  WRONG" if c.wrong else ""),
                c.source,
            ]
            for c in checks
        ],
    )
    for reason in found.left_out:
        click.echo(f"left out: {reason}")
    squares = sum(c.z**2 for c in known) / len(known)
    unknown = f", {len(checks) - len(known)} unknown" if len(checks) > len(known) else ""
    click.echo(
        f"{len(known) - len(wrong)} of {len(known)} agree (|z| < {LARGEST_Z}){unknown}; "
        f"mean z^2 = {squares:.2f}, 1 expected"
    )
    return 1 if wrong else 0


@click.group()
def bench_command() -> None:
    """Measure the speed of this installation against baselines in the same run."""


def _add_bench(name: str) -> None:
    """Add the command ``bench NAME``."""

    @opt.plain_options
    def measure(as_json: bool, quiet: bool, device: str = "cpu") -> None:
        module, _, function = (ON_GPU if device == "cuda" else BENCH_PLACES)[name].partition(":")
        with progress_bar(f"bench {name}", quiet) as progress:
            found = getattr(import_module(f"physnn.checks.{module}"), function)(progress)
        if as_json:
            print_json(found)
        else:
            _print(found)

    if name in ON_GPU:
        device = click.Choice(["cpu", "cuda"])
        measure = click.option("--device", type=device, default="cpu", show_default=True, help="What to measure.")(
            measure
        )
    bench_command.command(name, cls=opt.ListCommand, help=f"{BENCHES[name]}\n\n\b\nphysnn bench {name}")(measure)


def _print(found: dict[str, Any]) -> None:
    click.echo(", ".join(found[key] for key in ("machine", "device") if key in found))
    rows = [[r["name"], str(r["threads"]), f"{r['value']:.3g}", r["unit"]] for r in found["rows"]]
    print_table("speed", ["what", "threads", "value", "unit"], rows)
    print_table("ratios", ["what", "ratio"], [[name, f"{value:.3g}"] for name, value in found["ratios"].items()])
    if found["missing"]:
        click.echo(f"not measured: {', '.join(found['missing'])}")


for _name in BENCHES:
    _add_bench(_name)
