#!/usr/bin/env bash
# A column of an RNTuple with a dot or slash in its name is listed, but not found.
#
# uproot writes dictionaries as RNTuple by default. A name such as "jet.pt", usual in flat ntuples
# of TTrees, is written without complaint and listed by keys(); indexing by it looks for a
# subfield of "jet" and reports that it is not there, for "a/b" with a/b itself among the
# available keys. arrays([...]) reads both.
#
# Packages: uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
Model_ROOT_3a3a_RNTuple ['a/b', 'jet.pt', 'n-1']
a/b by arrays [0.0, 1.0, 2.0]
a/b by index: not found: 'a/b'
jet.pt by arrays [0.0, 1.0, 2.0]
jet.pt by index: not found: 'jet'
n-1 by arrays [0.0, 1.0, 2.0]
n-1 by index [0.0, 1.0, 2.0]
END
venv/bin/python - > seen <<'END'
import numpy as np
import uproot

with uproot.recreate("x.root") as file:
    file["events"] = {"jet.pt": np.arange(3.0), "a/b": np.arange(3.0), "n-1": np.arange(3.0)}
events = uproot.open("x.root")["events"]
print(type(events).__name__, sorted(events.keys()))
for name in sorted(events.keys()):
    print(name, "by arrays", events.arrays([name])[name].tolist())
    try:
        print(name, "by index", events[name].array().tolist())
    except uproot.KeyInFileError as problem:
        print(name, "by index:", str(problem).splitlines()[0])
END
cat seen
diff expected seen && echo "unchanged"
