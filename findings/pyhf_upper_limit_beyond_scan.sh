#!/usr/bin/env bash
# pyhf gives the last point of a scan as the upper limit if the limit lies beyond it.
#
# `upper_limit(data, model, scan)` interpolates CLs to the level. If CLs is above the level in the
# whole scan, the interpolation returns its last point: for the observation and all five expected
# bands alike, without a warning. A limit of 2.0 is reported where it is 3.94. Without a scan the
# limit is searched for and is right. Equal expected bands are the sign.
#
# Packages: pyhf==0.7.6, scipy==1.17.1, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyhf==0.7.6 scipy==1.17.1 numpy==2.4.6
cd "$place"
cat > expected <<'END'
scan to 2 2.0 [2.0, 2.0, 2.0, 2.0, 2.0]
scan to 10 3.94 [2.1, 2.8, 3.9, 5.5, 7.5]
no scan 3.94 [2.1, 2.8, 3.9, 5.5, 7.5]
END
venv/bin/python - > seen <<'END'
import numpy as np
import pyhf
from pyhf.infer.intervals.upper_limits import upper_limit

model = pyhf.simplemodels.uncorrelated_background([5.0], [50.0], [7.0])
data = [50.0, *model.config.auxdata]
for name, scan in {"scan to 2": np.linspace(0, 2, 5), "scan to 10": np.linspace(0, 10, 101), "no scan": None}.items():
    observed, expected = upper_limit(data, model, scan)
    print(name, round(float(observed), 2), [round(float(one), 1) for one in expected])
END
cat seen
diff expected seen && echo "unchanged"
