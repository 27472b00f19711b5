#!/usr/bin/env bash
# HDF5's checksum takes 0 and -1 of 16 bits for one number: a lattice gas may come back as spins +-1, without an error.
#
# Guess: the filter fletcher32 sees every change of a few neighbouring bytes, and numcodecs, which has it for Zarr, too.
# Seen (h5py 3.16.0 with HDF5 2.0.0; numcodecs 0.16.5), for 64 numbers 1, 0, 1, 0, ... of 16 bits in one chunk:
#
#   one bit changed                     HDF5 refuses    numcodecs refuses
#   two numbers exchanged               HDF5 refuses    numcodecs refuses
#   a 0 becomes -1 (two bytes 255)      HDF5 reads -1   numcodecs reads -1
#   every 0 becomes -1                  HDF5 reads +-1  numcodecs reads +-1
#
# The sums are taken modulo 65535, in which words of 16 bits that are all zeros and all ones are the same.
# What follows: bytes of a disk that come back as all ones where zeros were, or the reverse, pass; numbers of one or two
# bytes with values 0 and -1, masks and padding are what that hits.  Whole files need a digest of their own.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q h5py==3.16.0 numcodecs==0.16.5
seen=$(cd "$folder" && "$folder/venv/bin/python" -W ignore - <<'PY'
import h5py
import numpy as np
from numcodecs import Fletcher32

gas = np.tile(np.array([1, 0], "<i2"), 32)
with h5py.File("gas.h5", "w") as file:
    file.create_dataset("gas", data=gas, chunks=gas.shape, fletcher32=True)
    at = file["gas"].id.get_chunk_info(0).byte_offset if file.flush() is None else 0
whole, coded = open("gas.h5", "rb").read(), bytes(Fletcher32().encode(gas))


def read_by_hdf5(values):
    open("other.h5", "wb").write(whole[:at] + values.tobytes() + whole[at + values.nbytes :])
    with h5py.File("other.h5") as file:
        return file["gas"][()]


def read_by_numcodecs(values):
    return np.frombuffer(Fletcher32().decode(values.tobytes() + coded[values.nbytes :]), "<i2")


changed = [gas.copy() for _ in range(4)]
changed[0][1] ^= 4
changed[1][:2] = gas[1::-1]
changed[2][1] = -1
changed[3][1::2] = -1
words = []
for values in changed:
    for read in (read_by_hdf5, read_by_numcodecs):
        try:
            words.append("other" if np.array_equal(read(values), values) else "same")
        except (OSError, RuntimeError):
            words.append("refused")
print(*words)
PY
)
echo "$seen"
[ "$seen" = "refused refused refused refused other other other other" ] || { echo "the checksum behaves otherwise now"; exit 1; }
