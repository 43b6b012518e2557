#!/usr/bin/env bash
# Events outside the categories of an axis are lost on the way to ROOT.
#
# An IntCategory or StrCategory axis that does not grow counts all other values in its overflow
# bin. uproot writes the categories as labels of the bins and an overflow of zero: the sum of the
# histogram changes, without a word. The overflow of a regular axis is kept.
#
# Packages: hist==2.12.1, boost-histogram==1.8.1, uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check hist==2.12.1 boost-histogram==1.8.1 uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
IntCategory before [1. 2. 1.] after [0. 1. 2. 0.]
Regular before [0. 1. 2. 1.] after [0. 1. 2. 1.]
END
venv/bin/python - > seen <<'END'
import hist
import uproot

axes = {"IntCategory": hist.axis.IntCategory([11, 13]), "Regular": hist.axis.Regular(2, 10, 14)}
for name, axis in axes.items():
    filled = hist.Hist(axis, storage="weight").fill([11, 13, 13, 15])
    with uproot.recreate("h.root") as file:
        file["h"] = filled
    read = uproot.open("h.root")["h"]
    print(name, "before", filled.values(flow=True), "after", read.values(flow=True))
END
cat seen
diff expected seen && echo "unchanged"
