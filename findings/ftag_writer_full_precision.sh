#!/usr/bin/env bash
# The precision "full" of ftag's writer is single precision.
#
# H5Writer, by default of precision "full", makes float32 of every floating-point column: doubles
# lose half of their digits (times, masses in MeV, weights), and half-precision columns grow.
# Integers stay. Files are written again at each step of the usual preparation. precision=None
# keeps the types.
#
# Packages: atlas-ftag-tools==0.3.6, numpy==2.4.6, h5py==3.16.0, hdf5plugin==7.1.0, scipy==1.17.1, PyYAML==6.0.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check atlas-ftag-tools==0.3.6 numpy==2.4.6 h5py==3.16.0 hdf5plugin==7.1.0 scipy==1.17.1 PyYAML==6.0.4
cd "$place"
cat > expected <<'END'
{} [('mass', '<f4'), ('score', '<f4'), ('event', '<i8')] [91187600.0, 91187600.0] [1099511627776, 1099511627777]
{'precision': None} [('mass', '<f8'), ('score', '<f2'), ('event', '<i8')] [91187600.25, 91187601.25] [1099511627776, 1099511627777]
END
venv/bin/python - > seen <<'END'
import h5py
import numpy as np
from ftag.hdf5 import H5Writer

kind = np.dtype([("mass", "f8"), ("score", "f2"), ("event", "i8")])
jets = np.zeros(2, dtype=kind)
jets["mass"] = [91_187_600.25, 91_187_601.25]
jets["score"] = 0.5
jets["event"] = [2**40, 2**40 + 1]
for options in ({}, {"precision": None}):
    writer = H5Writer("jets.h5", dtypes={"jets": kind}, shapes={"jets": (2,)}, shuffle=False, **options)
    writer.write({"jets": jets})
    writer.close()
    with h5py.File("jets.h5") as file:
        found = file["jets"][:]
    print(options, found.dtype, found["mass"].tolist(), found["event"].tolist())
END
cat seen
diff expected seen && echo "unchanged"
