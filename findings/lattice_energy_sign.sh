#!/usr/bin/env bash
# Two packages that sample the ferromagnetic 2D Ising model give energies of opposite sign.
#
# Guess: both say -2 per spin for the ordered state, and -1.0171 per spin at T = 3 on the periodic 4 x 4 lattice (exact).
# Seen (mcising 1.1.0, peapods 0.2.0):
#
#   mcising, IsingSimulation(...).energy(), all spins up     -2.0
#   peapods, Ising((4, 4)).energies_avg, T = 0.05            +2.0
#   peapods, the same, T = 3                                 +1.02
#
# What follows: an energy of peapods is minus the energy with J = 1, though it orders as a ferromagnet at low T.  Its
# heat capacity has the usual sign, since that is a variance.  Fits of dE/dT, reweighting by exp(-beta E) and comparisons
# of energies between packages go the wrong way without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q mcising==1.1.0 peapods==0.2.0
seen=$("$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import peapods
from mcising import IsingSimulation

lattice = IsingSimulation(4, 1.0, 0.0, 0.0, 0.0, 1)
lattice.set_spins(np.ones((4, 4), dtype=np.int8))
found = [f"{lattice.energy():+.1f}"]
for T in (0.05, 3.0):
    ising = peapods.Ising((4, 4), temperatures=np.array([T]))
    ising.sample(100_000, cluster_update_interval=1)
    found.append(f"{float(np.ravel(ising.energies_avg)[0]):+.1f}")
    order = float(np.ravel(ising.binder_cumulant)[0])
    found.append("ordered" if order > 0.6 else "disordered")
print(*found)
PY
)
echo "$seen"
[ "$seen" = "-2.0 +2.0 ordered +1.0 disordered" ] || { echo "these packages behave otherwise now"; exit 1; }
