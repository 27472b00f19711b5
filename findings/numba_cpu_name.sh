#!/usr/bin/env bash
# NUMBA_CPU_NAME does not take instructions away.
#
# Guess: NUMBA_CPU_NAME=nehalem, a processor of 2008 without AVX, makes numba compile code without AVX registers, as
# NUMBA_CPU_NAME=generic does; so timings "as on an older processor" are had by its name alone.
# Seen (numba 0.68.1, llvmlite 0.50.0, Python 3.11, x86-64 with AVX-512): the loop still uses ymm and zmm registers.
# The name sets the schedule only; the features remain those that are found on this machine, except for the name
# "generic", which clears them.  NUMBA_CPU_FEATURES must be set too, were it to nothing.
#
#   default                                     avx
#   NUMBA_CPU_NAME=generic                      no avx
#   NUMBA_CPU_NAME=nehalem                      avx
#   NUMBA_CPU_NAME=nehalem NUMBA_CPU_FEATURES=  no avx
#
# What follows: kernels meant to be compared on 256-bit and 512-bit vectors, or compiled here for another machine,
# need both variables: with the name alone they hold instructions that the other machine lacks.
set -euo pipefail
grep -qw avx /proc/cpuinfo || { echo "this processor has no AVX: nothing to see"; exit 0; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numba==0.68.1
cat > "$folder/probe.py" <<'PY'
import numpy as np
from numba import njit


@njit("f4(f4[::1])", fastmath=True)
def total(x):
    found = np.float32(0)
    for i in range(len(x)):
        found += x[i]
    return found


(assembly,) = total.inspect_asm().values()
print("avx" if "ymm" in assembly or "zmm" in assembly else "no avx")
PY
probe() { env "$@" "$folder/venv/bin/python" "$folder/probe.py"; }
seen="$(probe A=); $(probe NUMBA_CPU_NAME=generic); $(probe NUMBA_CPU_NAME=nehalem)"
seen="$seen; $(probe NUMBA_CPU_NAME=nehalem NUMBA_CPU_FEATURES=)"
echo "$seen"
[ "$seen" = "avx; no avx; avx; no avx" ] || { echo "numba behaves otherwise now"; exit 1; }
