#!/usr/bin/env bash
# pylhe writes the weights of variations with five digits, whatever format is asked for.
#
# The formats of event lines and particles can be set, that of the weights in <rwgt> cannot: a
# file read and written again has the weights of scale and PDF variations rounded to five digits,
# while XWGTUP keeps eleven. Ratios to the nominal weight move by up to 1e-4.
#
# Packages: pylhe==2.1.0; Python 3.11. Fails if the output differs from the one below.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
"${PYTHON:-python3.11}" -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pylhe==2.1.0
cd "$place"
cat > expected <<'END'
read 699670670.0 {'nominal': 699670670.0, 'up': 707053160.0}
1 1 6.9967067000e+08 2.4000000000e+01 7.5000000000e-03 1.6000000000e-01
21 -1 0 0 503 501 0.000000000000e+00 0.000000000000e+00 6.776695617800e+01 6.776695617800e+01 0.000000000000e+00 0.0000e+00 1.0000e+00
<rwgt>
<wgt id='nominal'> 6.9967e+08</wgt>
<wgt id='up'> 7.0705e+08</wgt>
END
venv/bin/python - > seen <<'END'
import dataclasses
from pathlib import Path

import pylhe

Path("in.lhe").write_text("""<LesHouchesEvents version="3.0">
<init>
 2212 2212 6.5e+03 6.5e+03 0 0 247000 247000 -4 1
 1.0 0.1 1.0 1
</init>
<event>
 1 1 +6.9967067e+08 2.4e+01 7.5e-03 1.6e-01
 21 -1 0 0 503 501 0.0 0.0 67.766956178 67.766956178 0.0 0.0 1.0
<rwgt>
<wgt id='nominal'> 6.9967067e+08 </wgt>
<wgt id='up'> 7.0705316e+08 </wgt>
</rwgt>
</event>
</LesHouchesEvents>
""")
event = next(iter(pylhe.LHEFile.fromfile("in.lhe").events))
print("read", event.eventinfo.weight, event.weights)
form = dataclasses.replace(pylhe.DEFAULT_FORMAT, particle=pylhe.DEFAULT_FORMAT.particle.replace("15.8e", "18.12e"))
for line in event.tolhe(form).splitlines()[1:6]:
    print(" ".join(line.split()))
END
cat seen
diff expected seen && echo "unchanged"
