"""``physnn selftest`` and ``physnn bench``: is this installation right, and how fast is it?"""

from __future__ import annotations

from typing import Any

import click

from physnn.cli.options import debug_option, json_option, seed_option


@click.command()
@seed_option
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def selftest(seed: int | None, as_json: bool, quiet: bool, debug: bool) -> int:
    """Compare every sampler of lattice models with exact results, and print a table of z-scores.

    Exit status 1 if one is wrong.
    """
    from physnn.analysis.estimate import Estimate
    from physnn.cli.output import print_json, print_table, progress_bar
    from physnn.selftest import LARGEST_Z
    from physnn.selftest import selftest as run

    with progress_bar("selftest", quiet) as progress:
        checks = run(seed or 0, progress)
    wrong = [c for c in checks if not c.right]
    if as_json:
        rows = [
            {
                "sampler": c.case.sampler,
                "model": c.case.model.name,
                "L": c.case.L,
                "T": c.case.T,
                "observable": c.quantity,
                "value": c.value,
                "error": c.error,
                "exact": c.exact,
                "z": c.z,
                "source": c.source,
            }
            for c in checks
        ]
        print_json({"checks": rows, "wrong": len(wrong), "largest_z": max(abs(c.z) for c in checks)})
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
                str(Estimate(c.value, c.error)),
                f"{c.exact:.6f}",
                f"{c.z:+.1f}" + ("" if c.right else "  WRONG"),
                c.source,
            ]
            for c in checks
        ],
    )
    squares = sum(c.z**2 for c in checks) / len(checks)
    click.echo(
        f"{len(checks) - len(wrong)} of {len(checks)} agree (|z| < {LARGEST_Z}); mean z^2 = {squares:.2f}, 1 expected"
    )
    return 1 if wrong else 0


@click.group()
def bench() -> None:
    """Measure the speed of this installation against baselines in the same run."""


@bench.command()
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def ising(as_json: bool, quiet: bool, debug: bool) -> None:
    """Flips per nanosecond of every Ising kernel, and independent samples per second of every sampler at T_c."""
    from physnn.bench import bench_ising
    from physnn.cli.output import print_json, progress_bar

    with progress_bar("bench ising", quiet) as progress:
        found = bench_ising(progress)
    if as_json:
        print_json(found)
        return
    _print(found)


@bench.command()
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def count(as_json: bool, quiet: bool, debug: bool) -> None:
    """Configurations per second of brute force over +-1 networks, and the time of counting over functions."""
    from physnn.bench_count import bench_count
    from physnn.cli.output import print_json, progress_bar

    with progress_bar("bench count", quiet) as progress:
        found = bench_count(progress)
    if as_json:
        print_json(found)
        return
    _print(found)


@bench.command()
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def train(as_json: bool, quiet: bool, debug: bool) -> None:
    """Replicas times steps per second of every engine that trains classifiers, against plain loops over them."""
    from physnn.bench_train import bench_train
    from physnn.cli.output import print_json, progress_bar

    with progress_bar("bench train", quiet) as progress:
        found = bench_train(progress)
    if as_json:
        print_json(found)
        return
    _print(found)


@bench.command()
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def kuramoto(as_json: bool, quiet: bool, debug: bool) -> None:
    """Milliseconds of a noisy step of 16-component vectors, against eager torch and the convolution alone."""
    from physnn.bench_kuramoto import bench_kuramoto
    from physnn.cli.output import print_json, progress_bar

    with progress_bar("bench kuramoto", quiet) as progress:
        found = bench_kuramoto(progress)
    if as_json:
        print_json(found)
        return
    _print(found)


@bench.command("train-kuramoto")
@json_option
@click.option("--quiet", is_flag=True, help="No progress.")
@debug_option
def train_kuramoto(as_json: bool, quiet: bool, debug: bool) -> None:
    """Image pairs per second of training Kuramoto networks, against a plain torch loop."""
    from physnn.bench_kuramoto_training import bench_kuramoto_training
    from physnn.cli.output import print_json, progress_bar

    with progress_bar("bench train-kuramoto", quiet) as progress:
        found = bench_kuramoto_training(progress)
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: dict[str, Any]) -> None:
    from physnn.cli.output import print_table

    click.echo(found["machine"])
    rows = [[r["name"], str(r["threads"]), f"{r['value']:.3g}", r["unit"]] for r in found["rows"]]
    print_table("speed", ["what", "threads", "value", "unit"], rows)
    print_table("ratios", ["what", "ratio"], [[name, f"{value:.3g}"] for name, value in found["ratios"].items()])
    if found["missing"]:
        click.echo(f"not installed, so not compared: {', '.join(found['missing'])}")
