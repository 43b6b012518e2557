#!/usr/bin/env bash
# The variance of a profile becomes smaller on its way through ROOT, and that of an empty bin zero.
#
# A histogram with storage Mean is written by uproot as a TProfile. Its values come back.
# `variances()`, the squared error of the mean in both, is s²/n with the unbiased s² before and
# with the biased one after: smaller by (n − 1)/n. Bins with one entry or none have NaN before and
# 0 after, so that a fit that divides by it takes them as exact.
#
# Packages: hist==2.12.1, boost-histogram==1.8.1, uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check hist==2.12.1 boost-histogram==1.8.1 uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
values    [2.5 5.  0. ] [2.5 5.  0. ]
variances [0.41666667        nan        nan] [0.3125 0.     0.    ]
END
venv/bin/python - > seen <<'END'
import hist
import uproot

filled = hist.Hist(hist.axis.Regular(3, 0, 3), storage=hist.storage.Mean())
filled.fill([0.5] * 4 + [1.5], sample=[1.0, 2.0, 3.0, 4.0, 5.0])
with uproot.recreate("h.root") as file:
    file["h"] = filled
read = uproot.open("h.root")["h"]
print("values   ", filled.values(), read.values())
print("variances", filled.variances(), read.variances())
END
cat seen
diff expected seen && echo "unchanged"
