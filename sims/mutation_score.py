"""Do the tests see a bug in a kernel or in the analysis?  Bugs planted one at a time, in a copy of the package.

Each is one line changed as slips of the pen change it: a sign, a neighbour off by one, a wrong constant, a forgotten
factor.  The tests of that module run on the copy; a bug counts as caught if one fails.  Bugs that survive are listed,
and say which test is missing.

Run: python sims/mutation_score.py [--only TEXT ...] (bugs whose module or change contains one), 40 min on one core:
compiled code is compiled anew for each.  It prints the table of docs/reliability.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
SECONDS = 900
"""After which the tests of a bug are ended; a hang counts as caught."""
PYTEST = ("-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", "default")
SERIES = ("tests/analysis/statistics/test_series.py",)
RESAMPLING = ("tests/analysis/statistics/test_resampling.py",)
OBSERVABLES = (
    "tests/analysis/verdict/test_fit.py",
    "tests/analysis/curves/test_chains.py",
)
PHILOX = ("tests/kernels/test_philox.py",)
XOSHIRO = ("tests/kernels/test_xoshiro.py",)
LATTICE = ("tests/kernels/lattice/test_local.py", "tests/samplers/test_exact.py")
CLUSTERS = ("tests/samplers/test_clusters.py", "tests/samplers/test_exact.py")
MEASURED = ("tests/kernels/lattice/test_observables.py", "tests/samplers/test_exact.py")
MULTISPIN = ("tests/kernels/lattice/test_multispin.py",)
KURAMOTO = ("tests/kernels/vectors/test_langevin.py", "tests/samplers/test_vectors.py")
REFLECTIONS = ("tests/samplers/test_reflections.py",)
WALKS = ("tests/exact/signs/test_sampling.py", "tests/exact/signs/test_count.py", "tests/samplers/test_recount.py")


class Bug(NamedTuple):
    """A line of a module, what it becomes, and the tests that should see it."""

    module: str
    line: str
    becomes: str
    tests: tuple[str, ...]


BUGS = [
    Bug("analysis/statistics/series.py", "np.arange(length, 0, -1)", "length", SERIES),
    Bug("analysis/statistics/series.py", "partial = 0.5 + np.cumsum", "partial = np.cumsum", SERIES),
    Bug("analysis/statistics/series.py", "bias = 1 + (2 * window + 1) / samples", "bias = 1.0", SERIES),
    Bug(
        "analysis/statistics/series.py",
        "math.sqrt(2 * tau * variance / samples)",
        "math.sqrt(tau * variance / samples)",
        SERIES,
    ),
    Bug(
        "analysis/statistics/series.py",
        "return self.samples / (2 * self.tau.value)",
        "return self.samples / self.tau.value",
        SERIES,
    ),
    Bug("analysis/statistics/series.py", "mean = chains.mean()\n", "mean = chains[0].mean()\n", SERIES),
    Bug("analysis/statistics/resampling.py", "multinomial(bins - 1,", "multinomial(bins,", RESAMPLING),
    Bug("analysis/statistics/resampling.py", "[:, None] - moves)) / 2", "[:, None] - moves))", RESAMPLING),
    Bug("analysis/statistics/resampling.py", "means[:, None] - moves", "means[:, None]", RESAMPLING),
    Bug("analysis/statistics/resampling.py", "math.sqrt(n / max(1, n - 1))", "1.0", RESAMPLING),
    Bug("analysis/curves/observables.py", "1 - m4 / (3 * m2**2)", "1 - m4 / (2 * m2**2)", OBSERVABLES),
    Bug(
        "analysis/curves/observables.py",
        "1 / (2 * L * np.sin(np.pi / L))",
        "1 / (2 * L * np.sin(2 * np.pi / L))",
        OBSERVABLES,
    ),
    Bug("analysis/curves/observables.py", "lambda m, m2: m2 - m**2", "lambda m, m2: m2 + m**2", OBSERVABLES),
    Bug("analysis/curves/observables.py", "scale=lambda N, x: N / x**2", "scale=lambda N, x: N / x", OBSERVABLES),
    Bug(
        "analysis/curves/observables.py",
        "share = components / (components + 2)",
        "share = components / (components + 1)",
        OBSERVABLES,
    ),
    Bug("analysis/curves/observables.py", "(len(along) * (sites or L**2))", "(sites or L**2)", OBSERVABLES),
    Bug("kernels/random.py", "(p1 >> uint64(32)) ^ c1 ^ k0", "(p1 >> uint64(32)) ^ c1 ^ k1", PHILOX),
    Bug("kernels/random.py", "(k0 + _W0) & _LOW", "(k0 + _W1) & _LOW", PHILOX),
    Bug("kernels/random.py", "p * z + np.float32(2 / 5)", "p * z + np.float32(2 / 4)", PHILOX),
    Bug("kernels/random.py", "uint32(quadrant >> uint32(1)) << uint32(31)", "quadrant << uint32(31)", PHILOX),
    Bug("kernels/random.py", "= uint32(lane // blocks), uint32(", "= uint32(lane % blocks), uint32(", PHILOX),
    Bug("kernels/random.py", "c ^= a\n", "c ^= b\n", XOSHIRO),
    Bug("kernels/random.py", "(d << _45) | (d >> _19)", "(d << _45)", XOSHIRO),
    Bug("kernels/random.py", "word % uint64(n))", "word % uint64(n - 1))", XOSHIRO),
    Bug(
        "kernels/lattice/local.py",
        "left = j - 1 if j > 0 else W - 1\n        right = j + 1 if j + 1 < W else 0\n        ones",
        "left = j - 1 if j > 0 else 0\n        right = j + 1 if j + 1 < W else 0\n        ones",
        LATTICE,
    ),
    Bug(
        "kernels/lattice/local.py",
        "ones = up[j] + down[j] + row[left] + row[right]",
        "ones = up[j] + up[j] + row[left] + row[right]",
        LATTICE,
    ),
    Bug("kernels/lattice/local.py", ">= pair[row[j], ones]", "> pair[row[j], 4 - ones]", LATTICE),
    Bug("kernels/lattice/local.py", "(i + parity) & 1, pair, words)", "parity & 1, pair, words)", LATTICE),
    Bug(
        "kernels/lattice/local.py",
        "down = colours[i + 1 if i + 1 < H else 0, j]",
        "down = colours[i + 1 if i + 1 < H else i, j]",
        LATTICE,
    ),
    Bug("kernels/lattice/clusters.py", "~((bonds << ONE_BIT) | last) &", "~(bonds << ONE_BIT) &", CLUSTERS),
    Bug("kernels/lattice/clusters.py", "(differ ^ unlike) & active[k]\n", "differ & active[k]\n", CLUSTERS),
    Bug("kernels/lattice/clusters.py", "own & ~behind, own & behind", "own & ~behind, own & ~own", CLUSTERS),
    Bug("kernels/lattice/clusters.py", "    if wrap:\n", "    if wrap and count < 0:\n", CLUSTERS),
    Bug("kernels/lattice/clusters.py", "if shift < q:", "if shift <= q:", CLUSTERS),
    Bug("kernels/lattice/clusters.py", "own[4] += spins * rising[1, i]", "own[4] += spins", CLUSTERS),
    Bug("kernels/lattice/swendsen_wang.py", "share = 2.0 / (q - 1)", "share = 2.0", CLUSTERS),
    Bug("kernels/lattice/wolff.py", "few >> uint64(4) if visits", "few if visits", CLUSTERS),
    Bug("kernels/lattice/wolff.py", "member[at] | beside, beside, at", "member[at] | beside, NO_BIT, at", CLUSTERS),
    Bug("kernels/lattice/wolff.py", "above if side == 2 else under)", "above if side == 2 else above)", CLUSTERS),
    Bug("kernels/lattice/wolff.py", "if NO_BIT < shift < q:", "if shift < q:", CLUSTERS),
    Bug("kernels/vectors/reflected.py", "exponents = -2 / (T", "exponents = -1 / (T", REFLECTIONS),
    Bug("kernels/vectors/reflected.py", "factors[c] = -2.0 * along", "factors[c] = -1.0 * along", REFLECTIONS),
    Bug("kernels/vectors/reflected.py", "right = displacements[t, 1] % W", "right = 0", REFLECTIONS),
    Bug("kernels/lattice/observables.py", "count = np.int64(row[W - 1] == row[0])", "count = np.int64(0)", MEASURED),
    Bug("kernels/lattice/observables.py", "out[0] -= energies[2] * m", "out[0] += energies[2] * m", MEASURED),
    Bug("kernels/lattice/observables.py", "norm = q / (q - 1) / N", "norm = 1 / N", MEASURED),
    Bug(
        "kernels/lattice/observables.py",
        "out[4] = norm * _power(in_column, wave_x)",
        "out[4] = norm * _power(in_row, wave_x)",
        MEASURED,
    ),
    Bug(
        "kernels/lattice/multispin_loops.py",
        "shifted = same + (1 if (row - 1 + colour) % 2 else -1)",
        "shifted = same + (-1 if (row - 1 + colour) % 2 else 1)",
        MULTISPIN,
    ),
    Bug(
        "kernels/lattice/multispin_loops.py",
        "ghost[k] = own[k] << uint64(1) | own[k] >> uint64(63)",
        "ghost[k] = own[k] << uint64(1)",
        MULTISPIN,
    ),
    Bug(
        "kernels/lattice/multispin_loops.py",
        "ghost[k] = own[k] >> uint64(1) | own[k] << uint64(63)",
        "ghost[k] = own[k] >> uint64(1)",
        MULTISPIN,
    ),
    Bug("kernels/vectors/langevin_loops.py", "sums[2] += square - along**2", "sums[2] += square", KURAMOTO),
    Bug(
        "kernels/vectors/langevin_loops.py",
        "s = one - z * keep.dtype.type(1 / (2 * k * (2 * k + 1))) * s",
        "s = one - z * keep.dtype.type(1 / (2 * k * (2 * k - 1))) * s",
        KURAMOTO,
    ),
    Bug(
        "kernels/vectors/langevin_loops.py",
        "own[half + width + c, m] = own[half + c, m]",
        "own[half + width + c, m] = own[half + c + 1, m]",
        KURAMOTO,
    ),
    Bug("kernels/signs/walk.py", "math.exp(log_g[at] - log_g[new])", "math.exp(log_g[new] - log_g[at])", WALKS),
    Bug("kernels/signs/walk.py", "w[k] = -w[k]\n        for changed", "w[k] = w[k]\n        for changed", WALKS),
    Bug("kernels/signs/walk.py", "row[p] += weight * fed[p]", "row[p] -= weight * fed[p]", WALKS),
]


def copied(folder: Path) -> Path:
    """Return a copy of what the tests need."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    for name in names:
        if name.split("/")[0] in ("physnn", "tests", "data", "setup.cfg", "pyproject.toml", "docs", "sims"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


def caught(folder: Path, bug: Bug) -> str:
    """Plant a bug, run its tests, and return the test that failed first; empty if none did."""
    path = folder / "physnn" / bug.module
    whole = path.read_text()
    # What calls the changed function would otherwise come from the cache.
    for cache in (folder / "physnn").rglob("*.nb?"):
        cache.unlink()
    path.write_text(whole.replace(bug.line, bug.becomes, 1))
    words = [sys.executable, *PYTEST, *bug.tests]
    env = os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    try:
        answer = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return "they do not end"
    finally:
        path.write_text(whole)
    if answer.returncode == 0:
        return ""
    lines = [line for line in answer.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return lines[0].split("::")[-1].split(" - ")[0] if lines else answer.stdout[-200:]


def main() -> None:
    """Plant all bugs and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[""])
    only = parser.parse_args().only
    planted: Counter[str] = Counter()
    found: Counter[str] = Counter()
    survivors = []
    for bug in BUGS:
        assert bug.line in (ROOT / "physnn" / bug.module).read_text(), f"{bug.module} has no {bug.line!r} any more"
    with tempfile.TemporaryDirectory() as name:
        folder = copied(Path(name))
        for bug in BUGS:
            if not any(text in bug.module + bug.becomes for text in only):
                continue
            began, change = time.monotonic(), " ".join(f"{bug.line} -> {bug.becomes}".split())
            by = caught(folder, bug)
            planted[bug.module] += 1
            found[bug.module] += bool(by)
            survivors += [] if by else [f"{bug.module}: {change}"]
            print(f"{bug.module:28} {time.monotonic() - began:4.0f} s  {by or 'SURVIVES'}: {change}", flush=True)
    print("\n| module | planted | caught |\n|---|---|---|")
    for module, count in planted.items():
        print(f"| `{module}` | {count} | {found[module]} |")
    print(f"| all | {sum(planted.values())} | {sum(found.values())} |")
    print("\n".join(survivors))


if __name__ == "__main__":
    main()
