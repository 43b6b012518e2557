"""A stand-in for the Geant4 child: writes a text for each part, and dies where it is told to."""

import json
import os
import sys
from pathlib import Path

recipe = json.loads(Path(sys.argv[1]).read_text())
for line in sys.stdin:
    index, _, path = line.strip().partition(" ")
    print(json.dumps({"event": 3}), flush=True)
    mark = Path(recipe["mark"])
    if int(index) == recipe["dies"] and (recipe["always"] or not mark.exists()):
        mark.touch()
        print("-------- EEEE -------\nout of luck", file=sys.stderr, flush=True)
        os.kill(os.getpid(), 9)
    Path(path).write_text(f"part {index} {os.environ['G4LEDATA']}")
    print(json.dumps({"done": int(index)}), flush=True)
