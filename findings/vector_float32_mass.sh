#!/usr/bin/env bash
# vector computes masses of float32 vectors in float32: pairs of massless particles get 56 times their mass.
#
# Coordinates of single precision, as ROOT files and NanoAOD have them, stay in single precision
# through the sum of two vectors. E² − p² cancels seven digits: two massless particles of pT = 50
# GeV at η = 5 that are 0.001 apart have a mass of 0.05 GeV, and vector gives 2.83 GeV. In the
# central detector the effect is small, in the forward one it is of the size of a resonance.
# Converted to double precision before the sum the result is right.
#
# Packages: vector==1.9.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check vector==1.9.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
eta 0: float32 0.0442, float64 0.0500 GeV
eta 2.5: float32 0.1768, float64 0.0500 GeV
eta 5: float32 2.8284, float64 0.0500 GeV
END
venv/bin/python - > seen <<'END'
import numpy as np
import vector


def mass(kind, eta):
    def one(phi):
        return vector.array({name: np.array([value], kind) for name, value in
                             {"pt": 50, "eta": eta, "phi": phi, "mass": 0}.items()})
    return float((one(0) + one(1e-3)).mass[0])


for eta in (0, 2.5, 5):
    print(f"eta {eta}: float32 {mass(np.float32, eta):.4f}, float64 {mass(np.float64, eta):.4f} GeV")
END
cat seen
diff expected seen && echo "unchanged"
