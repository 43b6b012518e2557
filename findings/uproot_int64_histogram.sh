#!/usr/bin/env bash
# uproot cannot write a histogram of 64-bit counts and asks for the type that it has.
#
# Counts of `storage="int64"`, hist's storage for unweighted events, are big-endian int64 when
# uproot makes a ROOT array of them, and only 8-, 16- and 32-bit integers have a ROOT array there.
# The message says that signed integers are needed and names a signed integer.
#
# Packages: hist==2.12.1, boost-histogram==1.8.1, uproot==5.7.7, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check hist==2.12.1 boost-histogram==1.8.1 uproot==5.7.7 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
int64 data to convert to TArray must have signed integer or floating-point type, not dtype('>i8')
double written
END
venv/bin/python - > seen <<'END'
import hist
import uproot

for storage in ("int64", "double"):
    counts = hist.Hist(hist.axis.Integer(0, 4), storage=storage).fill([1, 2, 2])
    with uproot.recreate("h.root") as file:
        try:
            file["h"] = counts
            print(storage, "written")
        except ValueError as problem:
            print(storage, problem)
END
cat seen
diff expected seen && echo "unchanged"
