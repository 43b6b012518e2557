#!/usr/bin/env bash
# uproot gives records without fields for columns that an RNTuple does not have.
#
# For a TTree a name that is not there raises KeyInFileError, and names may be expressions or
# aliases. For an RNTuple all three give an array with the right number of entries and no field,
# so that a misspelt name is met much later, or a loop over the fields does nothing.
#
# Packages: uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
ttree {'expressions': ['z']} KeyInFileError
ttree {'expressions': 'x * 2'} ['x * 2'] 10
ttree {'expressions': ['q'], 'aliases': {'q': 'x * 2'}} ['q'] 10
rntuple {'expressions': ['z']} [] 10
rntuple {'expressions': 'x * 2'} [] 10
rntuple {'expressions': ['q'], 'aliases': {'q': 'x * 2'}} [] 10
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
    for given in ({"expressions": ["z"]}, {"expressions": "x * 2"},
                  {"expressions": ["q"], "aliases": {"q": "x * 2"}}):
        try:
            found = events.arrays(**given)
            print(name, given, found.fields, len(found))
        except uproot.KeyInFileError as problem:
            print(name, given, type(problem).__name__)
END
cat seen
diff expected seen && echo "unchanged"
