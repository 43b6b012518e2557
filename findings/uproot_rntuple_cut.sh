#!/usr/bin/env bash
# uproot ignores the `cut` of an RNTuple, which it applies to a TTree.
#
# `arrays(..., cut="x > 5")` and `iterate(..., cut=...)` return all entries of an RNTuple, without
# a word. The same call on a TTree of the same columns returns those that pass.
#
# Packages: uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
ttree 4 [0, 2, 2]
rntuple 10 [4, 4, 2]
END
venv/bin/python - > seen <<'END'
import numpy as np
import uproot

columns = {"x": np.arange(10.0)}
with uproot.recreate("events.root") as file:
    file.mkrntuple("rntuple", columns)
    file.mktree("ttree", {"x": "f8"})
    file["ttree"].extend(columns)
for name in ("ttree", "rntuple"):
    events = uproot.open("events.root")[name]
    blocks = [len(one) for one in events.iterate(["x"], step_size=4, cut="x > 5")]
    print(name, len(events.arrays(["x"], cut="x > 5")), blocks)
END
cat seen
diff expected seen && echo "unchanged"
