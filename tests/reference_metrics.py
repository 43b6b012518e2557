"""Compare the metrics of the shipped studies with reference values.

    python tests/reference_metrics.py [STUDY...]            # all studies with reference values
    python tests/reference_metrics.py --write STUDY...      # measure and write reference values

`tests/data/reference/STUDY.json` holds the metrics of a study at demo size with few epochs, its
seed, overrides, and the release, processor and versions that they were measured with. What a study
takes of another one, a stage `trained`, is made first, as the reference of that one says. Each
study runs in a separate process with one thread, so that the order of floating-point sums is fixed.
On the same processor and versions the metrics must agree to 1e-6; elsewhere floating-point sums
differ, and training amplifies the differences, so that they are compared with the statistical
uncertainty.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "data" / "reference"
TOLERANCE = 1e-6
#: Largest difference elsewhere, in units of the statistical uncertainty.
PULL = 1.0
#: Largest relative or absolute difference elsewhere of cuts and limits, which have no uncertainty.
LOOSE = 0.2


def processor():
    """Return the model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def conditions():
    """Return what the exact values depend on."""
    import numpy
    import torch
    import xgboost

    found = {"processor": processor(), "torch": torch.__version__, "numpy": numpy.__version__}
    return found | {"xgboost": xgboost.__version__}


def measure(study):
    """Return model → metric → {value, error} of a run with the reference's size and overrides."""
    script = "import sys, reference_metrics; reference_metrics.run(sys.argv[1], sys.argv[2])"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", script, study, folder]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path[1:]]),
        }
        subprocess.run(command, env=environment, check=True, capture_output=True)
        return json.loads((Path(folder) / "metrics.json").read_text(encoding="utf-8"))


def run(study, folder):
    """Run a study with the reference's size and overrides and write its metrics."""
    metrics = run_reference(study, Path(folder) / "runs").metrics
    (Path(folder) / "metrics.json").write_text(json.dumps(metrics), encoding="utf-8")


def run_reference(study, runs, only=()):
    """Run a study, or one of its models, after those of other studies that its stages read."""
    import bunchtrain

    reference = load(study)
    given = [f"{key}={json.dumps(value)}" for key, value in reference["overrides"].items()]
    chosen = bunchtrain.load(study, *given, size=reference["size"])
    for stage in chosen.stages.values():
        if stage.kind == "trained":
            other, _, needed = stage.options.rpartition(":")
            model = needed.removeprefix("train.")
            run_reference(other, runs, only=[model] if model != needed else [])
    return bunchtrain.run(chosen, runs=runs, jobs=1, only=only)


def differences(reference, metrics):
    """Return (model, metric, reference, value) of those that do not agree."""
    exact = reference["conditions"] == conditions()
    found = []
    for model, expected in reference["metrics"].items():
        for name, entry in expected.items():
            value = metrics.get(model, {}).get(name, {}).get("value")
            if not agree(entry, value, exact):
                found.append((model, name, entry["value"], value))
    return found


def agree(entry, value, exact):
    """Return whether a value agrees with its reference entry."""
    expected, error = entry["value"], entry.get("error") or math.nan
    if expected is None or value is None:
        return expected is None and value is None
    if exact:
        return math.isclose(value, expected, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if not math.isfinite(error):
        return math.isclose(value, expected, rel_tol=LOOSE, abs_tol=LOOSE)
    return abs(value - expected) <= max(PULL * error, TOLERANCE)


def load(study):
    """Return the reference of a study."""
    return json.loads((FOLDER / f"{study}.json").read_text(encoding="utf-8"))


def write(study):
    """Measure a study again and replace its reference metrics."""
    reference = load(study)
    reference |= {"metrics": measure(study), "conditions": conditions()}
    path = FOLDER / f"{study}.json"
    path.write_text(json.dumps(reference, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main(arguments):
    names = [name for name in arguments if not name.startswith("--")]
    if "--write" in arguments:
        for name in names:
            write(name)
        return 0
    failed = 0
    for name in names or sorted(path.stem for path in FOLDER.glob("*.json")):
        reference = load(name)
        found = differences(reference, measure(name))
        count = sum(map(len, reference["metrics"].values()))
        print(f"{name}: {count - len(found)} of {count} metrics agree", flush=True)
        for model, metric, expected, value in found[:20]:
            print(f"  {model} {metric}: {expected} → {value}", flush=True)
        failed += bool(found)
    return failed


if __name__ == "__main__":
    os.environ.setdefault("BUNCHTRAIN_DATA", str(Path(__file__).parents[2] / "shared" / "data"))
    sys.exit(main(sys.argv[1:]))
