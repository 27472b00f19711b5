#!/usr/bin/env bash
# One pair of spins has the entanglement 1.0, 0.693 or 0.347, by package.
#
# Guess: quimb counts bits (1.0), TeNPy and QuSpin nats (0.693).
# Seen (quimb 1.16.0, TeNPy 1.1.1, QuSpin 1.0.1), for four spins of which the middle two are a pair, cut in the middle:
#
#   quimb.entropy_subsys                 1.000   bits
#   TeNPy, MPS.entanglement_entropy      0.693   nats
#   QuSpin, basis.ent_entropy            0.347   nats over the 2 spins of the part: its default is density=True
#   QuSpin, density=False                0.693   nats
#
# What follows: an entropy is compared only with base and normalisation named.  A slope in the number of spins, as in a
# volume law, vanishes in QuSpin's default, and a central charge comes out larger by 1/ln 2 = 1.44 in quimb's units.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q quimb==1.16.0 physics-tenpy==1.1.1 quspin==1.0.1
seen=$("$folder/venv/bin/python" -W ignore - <<'PY'
import numpy as np
import quimb
import tenpy.linalg.np_conserved as npc
from quspin.basis import spin_basis_1d
from tenpy.networks.mps import MPS
from tenpy.networks.site import SpinHalfSite

psi = np.zeros(16)
psi[0b0010] = psi[0b0100] = np.sqrt(0.5)
bits = quimb.entropy_subsys(psi.reshape(-1, 1), [2] * 4, [0, 1])
array = npc.Array.from_ndarray_trivial(psi.reshape(2, 2, 2, 2), labels=["p0", "p1", "p2", "p3"])
nats = MPS.from_full([SpinHalfSite(conserve=None)] * 4, array).entanglement_entropy()[1]
basis, vector = spin_basis_1d(4), np.zeros(16)
for state in ("0010", "0100"):
    vector[basis.index(state)] = np.sqrt(0.5)
own = basis.ent_entropy(vector, sub_sys_A=[0, 1])["Sent_A"]
whole = basis.ent_entropy(vector, sub_sys_A=[0, 1], density=False)["Sent_A"]
print(*(f"{float(value):.3f}" for value in (bits, nats, own, whole)))
PY
)
echo "$seen"
[ "$seen" = "1.000 0.693 0.347 0.693" ] || { echo "these packages behave otherwise now"; exit 1; }
