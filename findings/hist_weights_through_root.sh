#!/usr/bin/env bash
# A weighted histogram without variances comes back from ROOT with wrong ones.
#
# hist's default storage keeps no Σw²: after a fill with weights `variances()` is None. uproot
# writes it as a TH1D without Sumw2, and on reading `variances()` is the content, Σw, as for
# unweighted events. One event of weight 3 has the variance 3 where it should be 9, and what was
# known to be unknown is a number. With `storage="weight"` both are right.
#
# Packages: hist==2.12.1, boost-histogram==1.8.1, uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check hist==2.12.1 boost-histogram==1.8.1 uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
double before None after [2. 3.]
weight before [4. 9.] after [4. 9.]
END
venv/bin/python - > seen <<'END'
import hist
import uproot

for storage in ("double", "weight"):
    filled = hist.Hist(hist.axis.Regular(2, 0, 2), storage=storage)
    filled.fill([0.5, 1.5], weight=[2.0, 3.0])
    with uproot.recreate("h.root") as file:
        file["h"] = filled
    print(storage, "before", filled.variances(), "after", uproot.open("h.root")["h"].variances())
END
cat seen
diff expected seen && echo "unchanged"
