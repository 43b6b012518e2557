#!/usr/bin/env bash
# fastjet fails on particles that are masked, with an attribute of its own code.
#
# `ak.mask`, and `ak.firsts` or joins, leave arrays of an optional type inside an event. The
# interface has no case for a None among the particles and ends in an AttributeError about
# layouts, where a None for a whole event gives None. Removing them (`ak.drop_none(events,
# axis=1)`) works.
#
# Packages: fastjet==3.5.2.0, vector==1.9.0, awkward==2.14.0, awkward-cpp==57, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check fastjet==3.5.2.0 vector==1.9.0 awkward==2.14.0 awkward-cpp==57 numpy==2.4.6
cd "$place"
cat > expected <<'END'
as they are [2, 1]
an event masked [None, 1]
a particle masked AttributeError: 'NumpyArray' object has no attribute 'content'
and removed [1, 1]
END
venv/bin/python - 2> messages <<'END' | grep -v '^#' > seen
import awkward as ak
import fastjet
import vector

vector.register_awkward()
one = {"px": 10.0, "py": 0.0, "pz": 1.0, "E": 10.1}
events = ak.with_name(ak.Array([[one, one | {"px": -10.0}], [one]]), "Momentum4D")
finder = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
cases = {
    "as they are": events,
    "an event masked": ak.mask(events, [False, True]),
    "a particle masked": ak.mask(events, events.px > 0),
    "and removed": ak.drop_none(ak.mask(events, events.px > 0), axis=1),
}
for name, chosen in cases.items():
    try:
        print(name, ak.num(fastjet.ClusterSequence(chosen, finder).inclusive_jets()).to_list())
    except AttributeError as problem:
        print(name, "AttributeError:", problem)
END
cat seen
diff expected seen && echo "unchanged"
