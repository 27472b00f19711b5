#!/usr/bin/env bash
# numba looks for a class that has gone before it asks whether kept code is old.
#
# Guess: numba compares the digest of the source with the one in the index of kept code first; where they differ it
# compiles anew, whatever the index holds.  So renaming a NamedTuple that a function takes costs one compilation.
# Seen (numba 0.68.1, Python 3.11): the index is unpickled as a whole, signatures included, and only then are digests
# compared.  A class that was renamed ends the call, not only the look-up, with an AttributeError; and as nothing is
# written, every later run ends in the same way until somebody removes the files.
#
#   first run, class Layers            3.0
#   class renamed to Planes            AttributeError: Can't get attribute 'Layers' on <module 'kernel' ...>
#   once more                          AttributeError
#   files *.nbi removed                3.0
#
# What follows: pip leaves these files when it replaces a package, so an upgrade that renames such a class breaks the
# function for everybody who has called it before.  Kept code needs a place that is named after its sources.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q numba==0.68.1
cd "$folder"
write() {
    cat > kernel.py <<PY
from typing import NamedTuple

import numpy as np
from numba import njit


class $1(NamedTuple):
    x: np.ndarray


@njit(cache=True)
def total(t):
    return t.x.sum()


try:
    print(total($1(np.ones(3))))
except AttributeError as error:
    print(type(error).__name__)
PY
}
# The function has to be imported: what runs as a script is another module.
run() { PYTHONDONTWRITEBYTECODE=1 "$folder/venv/bin/python" -c "import kernel"; }
write Layers
seen=$(run)
write Planes
seen="$seen; $(run); $(run)"
rm __pycache__/*.nbi
seen="$seen; $(run)"
echo "$seen"
[ "$seen" = "3.0; AttributeError; AttributeError; 3.0" ] || { echo "numba behaves otherwise now"; exit 1; }
