#!/usr/bin/env bash
# Pythia reads a setting's value up to the first character that does not fit and reports success.
#
# An integer written as 1e6 is 1, a beam energy of "13 000" is 13 GeV, a flag that is neither a
# word for yes nor for no is off; readString returns True, as for a value that was understood, and
# nothing is printed (a name that does not exist gives False). Values from Python should be set by
# settings.mode, parm and flag, which take numbers, or read back after the call.
#
# Packages: pythia8mc==8.317.2; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pythia8mc==8.317.2
cd "$place"
cat > expected <<'END'
Main:numberOfEvents 1000 True 1000
Main:numberOfEvents 1e6 True 1
Main:numberOfEvents 1,000 True 1
Beams:eCM 13e3 True 13000.0
Beams:eCM 13 000 True 13.0
Beams:eCM 13 TeV True 13.0
PartonLevel:MPI on True True
PartonLevel:MPI enabled True False
PartonLevel:MP False
END
venv/bin/python - > seen <<'END'
import pythia8mc

pythia = pythia8mc.Pythia("", False)
pythia.readString("Print:quiet = on")
for value in ("1000", "1e6", "1,000"):
    print("Main:numberOfEvents", value, pythia.readString(f"Main:numberOfEvents = {value}", False), pythia.settings.mode("Main:numberOfEvents"))
for value in ("13e3", "13 000", "13 TeV"):
    print("Beams:eCM", value, pythia.readString(f"Beams:eCM = {value}", False), pythia.settings.parm("Beams:eCM"))
for value in ("on", "enabled"):
    print("PartonLevel:MPI", value, pythia.readString(f"PartonLevel:MPI = {value}", False), pythia.settings.flag("PartonLevel:MPI"))
print("PartonLevel:MP", pythia.readString("PartonLevel:MP = on", False))
END
cat seen
diff expected seen && echo "unchanged"
