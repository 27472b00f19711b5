"""What v -> h -> v of a Boltzmann machine flows to: its training, its hidden units, its steps, and nulls.

    python sims/boltzmann.py [FOLDER] [--long] [--large]

Machines learn 8 x 8 Ising spins at T_c alone, at many temperatures together, and with the sites of every snapshot
shuffled.  The fixed point T* is read by energy and by the two-point function.  A 4 x 4 machine has its exact spectrum.
Last come the coarse-grained layers of a stack beside block spins.  Takes some 5 minutes of one core; with --long
2 minutes more for a machine of 60,000 steps and what it generates; with --large half an hour more for machines of
16 x 16 spins, with weights of their own at every site or shared ones, which say what limits them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from physnn import api
from physnn.answers.plots import plot_machines
from physnn.answers.training.boltzmann import machine_answers, machine_file, machine_rows
from physnn.answers.training.reconstruction import FLOW_STEPS, flow_rows, layer_lengths, machine_flows
from physnn.cli.output import print_table
from physnn.figures.style import save
from physnn.figures.training.reconstruction import reconstruction_figure
from physnn.models import Ising

CRITICAL = Ising().critical_temperature
LOW, HIGH = (0.5, 1.0, 1.5, 2.0), (3.0, 4.0, 5.0, 6.0)
SETS: dict[str, dict[str, Any]] = {
    "T_c alone": {"T": (CRITICAL,)},
    "T_c, 16 hidden": {"T": (CRITICAL,), "hidden": (16,)},
    "T_c, 36 hidden": {"T": (CRITICAL,), "hidden": (36,)},
    "T_c, 500 steps": {"T": (CRITICAL,), "steps": 500, "last_lr": 0.05},
    "0.5 .. 6": {"mixed": True},
    "0.5 .. 2": {"T": LOW, "mixed": True},
    "3 .. 6": {"T": HIGH, "mixed": True},
    "1.5 and 4": {"T": (1.5, 4.0), "mixed": True},
    "sites shuffled": {"T": (CRITICAL,), "shuffled": True},
}
"""Trainings by name, as changes of `USUAL`."""
SHARED: dict[str, Any] = {
    "features": 2,
    "whiten": True,
    "k": 5,
    "steps": 2500,
    "batch": 200,
    "chains": 400,
    "lr": 0.1,
    "last_lr": 0.001,
    "samples": 20_000,
    "anneal": 100,
}
AVERAGED = SHARED | {"lr": 0.05, "last_lr": 0.005, "average": True, "seeds": (0, 1), "steps": 5000}
LARGE: dict[str, dict[str, Any]] = {
    "128 hidden units": {"hidden": (128,), "k": 5, "steps": 40_000, "last_lr": 0.0001, "samples": 40_000},
    "256 hidden units": {"hidden": (256,), "k": 5, "steps": 40_000, "last_lr": 0.0001, "samples": 40_000},
    "2 features, whitened": SHARED | {"seeds": (0, 1)},
    "2 features, whitened, averaged": AVERAGED,
    "2 features, whitened, averaged, 2,500 steps": AVERAGED | {"last_lr": 0.01, "seeds": (1, 2, 3), "steps": 2500},
    "2 features, whitened, averaged, twice the rate": AVERAGED
    | {"lr": 0.1, "last_lr": 0.01, "seeds": (0, 1, 2), "steps": 2500},
    "2 features, whitened, twice the rate": SHARED | {"lr": 0.2, "last_lr": 0.002},
    "2 features, whitened, 600 steps": SHARED | {"steps": 600},
    "2 features, whitened, k = 1": SHARED | {"k": 1},
    "1 feature, whitened": SHARED | {"features": 1},
    "4 features, whitened": SHARED | {"features": 4},
    "2 features, not whitened": SHARED | {"whiten": False},
    "512 hidden units, whitened": {n: v for n, v in SHARED.items() if n != "features"} | {"hidden": (512,)},
}
"""Trainings of machines of 16 x 16 spins: hidden units, features and steps, with weights of their own or shared."""
USUAL = {
    "hidden": (64,),
    "steps": 8000,
    "k": 5,
    "batch": 200,
    "chains": 400,
    "seeds": (0, 1),
    "samples": 2000,
    "anneal": 50,
    "last_lr": 0.001,
}


def sweep(folder: Path, L: int) -> Path:
    """Snapshots of the Ising model at all temperatures."""
    out = folder / f"ising{L}.h5"
    T = tuple(sorted({CRITICAL, *LOW, *HIGH, 2.5}))
    settings = {"algorithm": "swendsen-wang", "sweeps": 6000, "chains": 2, "snapshots": 2}
    api.run(api.recipe("temperature", L=(L,), T=T, **settings), out, jobs=1)
    return out


def trained(folder: Path, name: str, data: Path, change: dict[str, Any]) -> Path:
    """Machines of a training."""
    out = folder / f"{name.replace(' ', '_').replace(',', '')}.h5"
    api.run(api.recipe("train-rbm", data=str(data), **USUAL | change), out, jobs=1)
    return out


def main(folder: Path) -> None:
    """Train, follow and print everything."""
    folder.mkdir(parents=True, exist_ok=True)
    data, rows, points = sweep(folder, 8), [], []
    for name, change in SETS.items():
        file = trained(folder, name, data, change)
        for null in (False, True) if name == "T_c alone" else (False,):
            flow = machine_flows(file, random=null)[0]
            told = f"{name}, weights moved" if null else name
            rows.append([told, *flow_rows([flow])[0][2:7], flow.claims["it lies at T_c"]])
            both = flow.fixed_energy, flow.fixed_likely
            points.append((told, [each.value for each in both], [each.error for each in both]))
            if name == "T_c alone" and not null:
                courses = flow.cold, flow.hot
    header = ["training", "T* by energy", "T* by G(r)", "p of G(r)", "starts apart", "trace", "at T_c"]
    print_table("8 x 8: where v -> h -> v leads, two seeds", header, rows)
    small = sweep(folder, 4)
    file = trained(folder, "4 x 4", small, {"T": (CRITICAL,), "hidden": (16,), "seeds": (0,), "lr": 0.2})
    flow = machine_flows(file)[0]
    assert flow.spectrum is not None
    modes = zip(flow.spectrum.eigenvalues, flow.spectrum.odd, strict=True)
    print_table("4 x 4, 16 hidden units: modes of the update", ["eigenvalue", "parity"], [
        [f"{value:.5f}", "odd" if odd else "even"] for value, odd in modes
    ])  # fmt: skip
    print(f"the stationary law is kept to {flow.spectrum.residual:.1e}")
    figure = reconstruction_figure(FLOW_STEPS, courses, points, flow.spectrum.eigenvalues, CRITICAL)
    print(save(figure, folder / "boltzmann_fixed_points.png"), flush=True)
    stack = trained(folder, "stack", data, {"T": (CRITICAL,), "hidden": (64, 16), "seeds": (0,)})
    lengths = [[name, str(n), f"{share:.2f}", f"{length:.2f}"] for name, n, share, length in layer_lengths(stack)]
    print_table("coarse-grained layers at T_c", ["layer", "units", "weight within L/4", "decay length"], lengths)


def long_training(folder: Path) -> None:
    """Train one machine for long, and print and draw what it generates."""
    data, out = folder / "long8.h5", folder / "long.h5"
    settings = {"algorithm": "swendsen-wang", "sweeps": 50_000, "chains": 4, "snapshots": 4}
    api.run(api.recipe("temperature", L=(8,), T=(CRITICAL,), **settings), data, jobs=1)
    rule = {"k": 5, "steps": 60_000, "last_lr": 0.0001, "samples": 40_000, "thin": 40}
    api.run(api.recipe("train-rbm", data=str(data), **rule), out, jobs=1)
    header = ["L", "T", "", "machine", "data", "deviation", "errors"]
    print_table("60,000 steps", header, machine_rows(machine_answers(out)))
    print(plot_machines(out, folder / "boltzmann_machine.png"))
    out = folder / "long_shared.h5"
    rule = AVERAGED | {"thin": 40, "samples": 40_000, "seeds": (0, 1, 2)}
    api.run(api.recipe("train-rbm", data=str(data), **rule), out, jobs=1)
    answers = machine_answers(out)
    print_table("2 features, whitened, averaged, three seeds", header, machine_rows(answers))
    for remark in answers[0].remarks:
        print(f"note: {remark}", flush=True)


def large_trainings(folder: Path, names: Sequence[str] = (), jobs: int = 1) -> None:
    """Train machines of 16 x 16 spins, all of `LARGE` or some, and print what they generate."""
    data = folder / "large16.h5"
    settings = {"algorithm": "swendsen-wang", "sweeps": 50_000, "chains": 4, "snapshots": 4}
    api.run(api.recipe("temperature", L=(16,), T=(CRITICAL,), **settings), data, jobs=1)
    header = ["L", "T", "", "machine", "data", "deviation", "errors"]
    for name in names or LARGE:
        out = folder / f"large16_{name.replace(',', '').replace('=', '').replace(' ', '_')}.h5"
        api.run(api.recipe("train-rbm", data=str(data), **{"thin": 40} | LARGE[name]), out, jobs=jobs)
        answers = machine_answers(out)
        print_table(f"16 x 16, {name}", header, machine_rows(answers))
        exact = answers[0].observables[0].data.value
        for seed, energy in enumerate(machine_file(out).sizes[16]["energy"].values[0].mean(axis=1)):
            print(f"seed {seed}: energy {energy / exact - 1:+.2%}; divergence {answers[0].kl} nats over seeds")
        for remark in answers[0].remarks:
            print(f"note: {remark}", flush=True)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    place = Path(words[0] if words else "boltzmann")
    main(place)
    if "--long" in sys.argv:
        long_training(place)
    if "--large" in sys.argv:
        large_trainings(place)
