#!/usr/bin/env bash
# vector squares integers in the width that they have.
#
# Momenta in hardware units come as 16-bit integers (objects of a first-level trigger). The
# squares are formed in 16 bits and wrap: the transverse momentum of (300, 400) is NaN, that of
# (400, 500) is 129.6 instead of 640.3. 32-bit integers do the same from 46,341 on.
#
# Packages: vector==1.9.0, numpy==2.4.6, packaging==26.4; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check vector==1.9.0 numpy==2.4.6 packaging==26.4
cd "$place"
cat > expected <<'END'
int16 [50.0, nan, 129.55308532714844]
int32 [50.0, 500.0, 640.3124237432849]
float32 [50.0, 500.0, 640.3124389648438]
int32 [46340.0, nan]
END
venv/bin/python - > seen <<'END'
import warnings

import numpy as np
import vector

warnings.simplefilter("ignore", RuntimeWarning)
for kind in ("int16", "int32", "float32"):
    px, py = np.array([30, 300, 400]), np.array([40, 400, 500])
    found = vector.array({"px": px.astype(kind), "py": py.astype(kind)})
    print(kind, found.rho.tolist())
large = vector.array({"px": np.array([46_340, 46_341], "int32"), "py": np.zeros(2, "int32")})
print("int32", large.rho.tolist())
END
cat seen
diff expected seen && echo "unchanged"
