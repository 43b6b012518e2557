#!/usr/bin/env bash
# hist puts a value that equals the edge of a regular axis into the bin below it.
#
# A bin is [lower, upper), and `axis.edges` are correctly rounded. The index of a value is
# computed as floor(n (x − low) / (high − low)) by another formula, so that an edge such as 0.3
# GeV, or the threshold of a trigger that is one, may fall into the bin that ends there, beside
# `axis.edges` itself.
#
# Seen: of 60 bins in [−3, 3] eleven lower edges are in the bin below, of 100 in [0, 10] eight.
#
# Packages: hist==2.12.1, boost-histogram==1.8.1, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check hist==2.12.1 boost-histogram==1.8.1 numpy==2.4.6
cd "$place"
cat > expected <<'END'
60 -3 3 11 lower edges in the bin below
100 0 10 8 lower edges in the bin below
70 0.5 4 9 lower edges in the bin below
30 100 130 1 lower edges in the bin below
edge -2.4000000000000004 is in bin 5 of (-2.5, -2.4000000000000004)
END
venv/bin/python - > seen <<'END'
import hist
import numpy as np

for bins, low, high in ((60, -3, 3), (100, 0, 10), (70, 0.5, 4), (30, 100, 130)):
    axis = hist.axis.Regular(bins, low, high)
    lower = axis.edges[:-1]
    print(bins, low, high, (axis.index(lower) != np.arange(bins)).sum(), "lower edges in the bin below")
axis = hist.axis.Regular(60, -3, 3)
print("edge", axis.edges[6], "is in bin", axis.index(axis.edges[6]), "of", axis.bin(axis.index(axis.edges[6])))
END
cat seen
diff expected seen && echo "unchanged"
