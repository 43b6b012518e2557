#!/usr/bin/env bash
# One event with too few particles makes fastjet's exclusive jets of all events fail.
#
# inclusive_jets of a batch gives an empty list for an empty event. exclusive_jets(n_jets=2)
# raises for the whole batch if a single event has fewer than two particles; the substructure
# methods do for an empty event. The message names neither the event nor the reason.
#
# Packages: fastjet==3.5.2.0, awkward==2.14.0, vector==1.9.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check fastjet==3.5.2.0 awkward==2.14.0 vector==1.9.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
inclusive [1, 0, 1]
exclusive (3, 2) [2, 2]
exclusive (3, 1) Caught an unknown exception!
Lund plane (3, 1) [1, 1]
Lund plane (3, 0) Caught an unknown exception!
END
venv/bin/python - 2> messages <<'END' | grep -v '^#' > seen
import warnings

import awkward as ak
import fastjet
import vector

warnings.simplefilter("ignore")
vector.register_awkward()


def cluster(*sizes):
    events = [[{"px": 20.0 + i, "py": 3.0 * i, "pz": 1.0 * i, "E": 200.0} for i in range(n)] for n in sizes]
    events = ak.with_name(ak.Array(events), "Momentum4D")
    return fastjet.ClusterSequence(events, fastjet.JetDefinition(fastjet.cambridge_algorithm, 0.8))


print("inclusive", ak.num(cluster(3, 0, 1).inclusive_jets()).tolist())
for sizes in ((3, 2), (3, 1)):
    try:
        print("exclusive", sizes, ak.num(cluster(*sizes).exclusive_jets(n_jets=2)).tolist())
    except RuntimeError as problem:
        print("exclusive", sizes, problem)
for sizes in ((3, 1), (3, 0)):
    try:
        print("Lund plane", sizes, ak.num(cluster(*sizes).exclusive_jets_lund_declusterings(njets=1)).tolist())
    except RuntimeError as problem:
        print("Lund plane", sizes, problem)
END
cat seen
diff expected seen && echo "unchanged"
