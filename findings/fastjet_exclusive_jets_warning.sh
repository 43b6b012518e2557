#!/usr/bin/env bash
# fastjet warns of exclusive jets of "jet-finders other than kt, C/A" when the finder is kt or C/A.
#
# The Python interface of FastJet issues the warning for every algorithm, and the C++ library a
# second one for those that it is about. Exclusive jets of the kt algorithm, the textbook case,
# look suspicious, and where warnings are errors, as in tests, they stop the program.
#
# Packages: fastjet==3.5.2.0, vector==1.9.0, awkward==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check fastjet==3.5.2.0 vector==1.9.0 awkward==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
kt_algorithm ['dcut and exclusive jets for jet-finders other than kt, C/A or genkt with p>=0']
cambridge_algorithm ['dcut and exclusive jets for jet-finders other than kt, C/A or genkt with p>=0']
antikt_algorithm ['dcut and exclusive jets for jet-finders other than kt, C/A or genkt with p>=0']
END
venv/bin/python - 2> messages <<'END' | grep -v '^#' > seen
import warnings

import awkward as ak
import fastjet
import numpy as np

momenta = np.random.default_rng(1).normal(0, 20, (8, 3))
energies = np.sqrt((momenta**2).sum(axis=1))
event = ak.zip({"px": momenta[:, 0], "py": momenta[:, 1], "pz": momenta[:, 2], "E": energies},
               with_name="Momentum4D")
for name in ("kt_algorithm", "cambridge_algorithm", "antikt_algorithm"):
    found = fastjet.ClusterSequence(event, fastjet.JetDefinition(getattr(fastjet, name), 1.0))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found.exclusive_jets(n_jets=2)
    print(name, [str(one.message).split(" should")[0] for one in caught])
END
cat seen
diff expected seen && echo "unchanged"
