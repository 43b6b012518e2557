#!/usr/bin/env bash
# HepMC3's text reader drops a weight that is not finite, and all weights after it.
#
# A generator may give an event one undefined variation among many. `pyhepmc` writes the weights
# 1, nan, 3 into a HepMC3 text file in full, and reads one weight back: reading stops at the first
# that is no finite number. Nothing is raised unless the run has names of weights. The same event
# in the older HepMC2 text is read with its three weights. A later weight taken by its index is
# then missing, or the sum over events has fewer terms.
#
# Packages: pyhepmc==2.14.0, numpy==2.4.6; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyhepmc==2.14.0 numpy==2.4.6
cd "$place"
cat > expected <<'END'
HepMC3 [1.0, nan, 3.0] in the file True read [1.0]
HepMC2 [1.0, nan, 3.0] in the file True read [1.0, nan, 3.0]
HepMC3 [1.0, inf, 3.0] in the file True read [1.0]
HepMC2 [1.0, inf, 3.0] in the file True read [1.0, inf, 3.0]
named RuntimeError The number of weights (1) does not match the number weight names(3)
END
venv/bin/python - 2>/dev/null <<'END' | grep -E "^(HepMC[23] \[|named)" > seen
import pyhepmc as hp


def event(weights):
    """Return one photon that decays, with weights."""
    made = hp.GenEvent(hp.Units.GEV, hp.Units.MM)
    vertex = hp.GenVertex()
    vertex.add_particle_in(hp.GenParticle((0, 0, 7, 7), 22, 4))
    vertex.add_particle_out(hp.GenParticle((0, 0, 7, 7), 22, 1))
    made.add_vertex(vertex)
    made.weights = weights
    return made


for middle in (float("nan"), float("inf")):
    weights = [1.0, middle, 3.0]
    for version in ("HepMC3", "HepMC2"):
        with hp.open("event.txt", "w", format=version) as file:
            file.write(event(weights))
        written = f"{middle} 3.00" in open("event.txt").read()
        with hp.open("event.txt") as file:
            print(version, weights, "in the file", written, "read", [e.weights for e in file][0])

named = event([1.0, float("nan"), 3.0])
named.run_info = hp.GenRunInfo()
named.run_info.weight_names = ["central", "up", "down"]
with hp.open("event.txt", "w") as file:
    file.write(named)
try:
    with hp.open("event.txt") as file:
        print("named", [e.weights for e in file])
except RuntimeError as error:
    print("named", type(error).__name__, " ".join(str(error).split(": ", 1)[1].split(" in the ")[0].split()))
END
cat seen
diff expected seen && echo "unchanged"
