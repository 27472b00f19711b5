"""What do the same words mean in other packages: units, energies, cumulants, correlation times, logarithms, two sites?

Each package is asked small questions with known answers.  Those that are not installed are skipped, so that they can be
put into a folder of their own, with physnn beside them:

    pip install mcising==1.1.0 peapods==0.2.0 netket==3.23.0 quimb==1.16.0 pyalps==3.0.0 emcee==3.1.6 pyerrors==2.17.0
    python sims/conventions.py                   1 minute of one core
"""

import importlib.metadata
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from physnn.analysis.statistics.series import tau_int
from physnn.exact.ising.enumeration import ising_enumeration
from physnn.exact.quantum import exact_ground
from physnn.models.quantum import QuantumModel
from physnn.rng import stream

L, T = 4, 3.0
"""Side of the periodic square lattice and temperature whose averages are known."""
NOISE, MEMORY = 2**16, 0.8
"""Length of series, and what one measurement keeps of the one before: tau is 4.5 with the 1/2, 4 without."""


def series() -> dict[str, np.ndarray]:
    """Series of numbers without and with correlation."""
    noise = stream(0, "user", "conventions").normal(size=(2, NOISE))
    slow = noise[1].copy()
    for i in range(1, NOISE):
        slow[i] += MEMORY * slow[i - 1]
    return {"noise": noise[0], "correlated": slow}


def of_physnn() -> None:
    """Exact averages and what is printed for the series."""
    for side in (2, L):
        exact = ising_enumeration((side, side), T)
        print("  ", side, {k: round(exact[k], 4) for k in ("energy", "c", "m_abs", "binder", "chi", "chi_m")})
    print("   tau", {k: str(tau_int(x).tau) for k, x in series().items()})
    print("   tfim, 2 sites, h = 0:", exact_ground(QuantumModel("tfim", (2,), h=1e-9)).E0)
    print("   heisenberg, 4 sites:", exact_ground(QuantumModel("heisenberg", (4,))).E0)


def of_mcising() -> None:
    """Energy of all spins up, and correlation times."""
    from mcising import IsingSimulation, statistics

    for side in (2, L):
        lattice = IsingSimulation(side, 1.0, 0.0, 0.0, 0.0, 1)
        lattice.set_spins(np.ones((side, side), dtype=np.int8))
        print("   all up:", side, lattice.energy(), lattice.magnetization())
    print("   tau", {k: round(statistics.tau_int(x, min_blocks=256), 2) for k, x in series().items()})


def of_peapods() -> None:
    """Averages of 2 x 2 and 4 x 4 spins, cold and at T."""
    import peapods

    for side, at in ((2, 0.05), (L, 0.05), (L, T)):
        ising = peapods.Ising((side, side), temperatures=np.array([at]))
        ising.sample(200_000, cluster_update_interval=1)
        print("  ", side, at, "energy", ising.energies_avg, "c", ising.heat_capacity, "binder", ising.binder_cumulant)


def of_netket() -> None:
    """Bonds, signs and units of quantum models, and correlation times of 16 chains."""
    import netket as nk

    for n in (2, 4):
        graph = nk.graph.Chain(n, pbc=True)
        space = nk.hilbert.Spin(0.5, n)
        ising, rung = nk.operator.Ising(space, graph, h=0.0, J=1.0), nk.operator.Heisenberg(space, graph, J=1.0)
        print("  ", n, "bonds", graph.n_edges, "Ising, all up:", ising.to_dense()[0, 0].real)
        print("   Heisenberg:", np.linalg.eigvalsh(rung.to_dense())[0])
    print("   tau", {k: float(nk.stats.statistics(x.reshape(16, -1)).tau_corr) for k, x in series().items()})


def of_quimb() -> None:
    """Bonds, units, and the entropy of half a singlet."""
    import quimb

    for n in (2, 4):
        chain = {"cyclic": True, "sparse": False}
        print("  ", n, "Ising, all up:", quimb.ham_ising(n, jz=1.0, bx=0.0, **chain)[0, 0].real)
        print("   Heisenberg:", quimb.groundenergy(quimb.ham_heis(n, **chain)))
    print("   singlet, bits:", quimb.entropy(quimb.ptr(quimb.bell_state("psi-"), [2, 2], 0)))


def of_pyalps() -> None:
    """Averages of 2 x 2 and 4 x 4 spins, and the correlation time of independent measurements."""
    import pyalps

    runs = [{"L": side, "T": at} for side, at in ((2, T), (L, T), (L, 1e7))]
    common = {"LATTICE": "square lattice", "MODEL": "Ising", "J": 1, "SWEEPS": 50_000, "THERMALIZATION": 2000}
    programs = Path(pyalps.__file__).parent / "bin"
    with tempfile.TemporaryDirectory() as folder:
        start = pyalps.writeInputFiles(f"{folder}/p", [common | {"UPDATE": "local"} | run for run in runs])
        subprocess.run([programs / "spinmc", "--Tmin", "1", start], check=True, capture_output=True)
        files = pyalps.getResultFiles(dirname=folder)
        for file in files:
            subprocess.run([programs / "spinmc_evaluate", file], check=True, capture_output=True)
        for found in pyalps.loadMeasurements(files, ["Energy", "Binder Cumulant", "Susceptibility", "Specific Heat"]):
            for one in found:
                print("  ", one.props["L"], one.props["T"], one.props["observable"], one.y[0])
                if one.props["observable"] == "Energy":
                    print("   tau", one.y[0].tau)


def of_emcee() -> None:
    """Correlation times."""
    import emcee

    print("   tau", {k: emcee.autocorr.integrated_time(x) for k, x in series().items()})


def of_pyerrors() -> None:
    """Correlation times."""
    import pyerrors

    for name, x in series().items():
        value = pyerrors.Obs([x], ["e"])
        value.gamma_method()
        print("   tau", name, value.e_tauint)


def of_pymbar() -> None:
    """Statistical inefficiencies."""
    from pymbar import timeseries

    print("   g", {k: timeseries.statistical_inefficiency(x) for k, x in series().items()})


ASKED: dict[str, Callable[[], None]] = {
    "physnn": of_physnn,
    "mcising": of_mcising,
    "peapods": of_peapods,
    "netket": of_netket,
    "quimb": of_quimb,
    "pyalps": of_pyalps,
    "emcee": of_emcee,
    "pyerrors": of_pyerrors,
    "pymbar": of_pymbar,
}

if __name__ == "__main__":
    for name, ask in ASKED.items():
        try:
            print(name, importlib.metadata.version(name))
            ask()
        except ImportError as missing:
            print("   not here:", missing)
