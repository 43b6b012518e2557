"""All benchmarks, one after the other: ratios to a peer, each measured in one run.

`make bench` installs the peers into `.peers/` (they are needed for nothing else).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WEAVER = HERE.parent / ".peers" / "weaver"
ENERGYFLOW = HERE.parent / ".peers" / "energyflow" / "bin" / "python"

#: Benchmark → its arguments; those that have no peer are not listed.
ARGUMENTS = {
    "root_to_batches": ["--weaver", str(WEAVER)],
    "jet_images": ["--energyflow", str(ENERGYFLOW)],
    # EnergyFlow takes 26 minutes for the 10,000 jets that are the default.
    "energy_flow_polynomials": [str(ENERGYFLOW), "--jets", "1000"],
}


def main() -> int:
    chosen = sys.argv[1:] or sorted(p.stem for p in HERE.glob("*.py") if p.stem[0] != "_")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(WEAVER)}
    failed = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        command = [sys.executable, str(HERE / f"{name}.py"), *ARGUMENTS.get(name, [])]
        if subprocess.run(command, env=environment, check=False).returncode:
            failed.append(name)
    print(f"\nfailed: {', '.join(failed)}" if failed else "\nall benchmarks ran")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
