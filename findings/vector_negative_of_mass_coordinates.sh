#!/usr/bin/env bash
# The negative of a four-vector keeps its energy where the mass is a coordinate.
#
# -p of a vector with energy as coordinate has energy -E; with mass (pt, eta, phi, mass, as in
# NanoAOD) the momentum turns round and the energy stays. p + (-p) is then not zero but 2E, while
# p - p is zero: a recoil or missing momentum computed by a sign differs from one by a
# subtraction.
#
# Packages: vector==1.9.0, numpy==2.4.6, packaging==26.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check vector==1.9.0 numpy==2.4.6 packaging==26.4
cd "$place"
cat > expected <<'END'
mass E 15.56 E of -p 15.56 E of p + (-p) 31.12 E of p - p 0.0
energy E 15.56 E of -p -15.56 E of p + (-p) 0.0 E of p - p 0.0
END
venv/bin/python - > seen <<'END'
import vector

by_mass = vector.obj(pt=10.0, eta=1.0, phi=0.0, mass=2.0)
for name, p in {"mass": by_mass, "energy": by_mass.to_ptphietaenergy()}.items():
    print(name, "E", round(p.E, 3), "E of -p", round((-p).E, 3), "E of p + (-p)", round((p + (-p)).E, 3), "E of p - p", round((p - p).E, 3))
END
cat seen
diff expected seen && echo "unchanged"
