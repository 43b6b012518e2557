"""`bunchtrain run` of boosted trees, report included, beside a script that calls XGBoost.

    python benchmarks/boosted_trees_whole.py [--rows 1000000] [--rounds 3]

Both read a Parquet file of 30 features, divide its rows at random (60 %, 20 %, 20 %), grow 250
trees with the same settings and the losses of both sets after each round, and predict the test
set. The script reads the file into one array and computes the AUC; ours makes its event cache,
all evaluations with their uncertainties, the plots, the report and the export to ONNX, and is
free to start from nothing: each run has an empty cache. Each side is a process of one thread,
in alternation; CPU time, which other work on the machine leaves alone, and peak memory are those
that the system counts for it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

FEATURES = [f"x{i}" for i in range(30)]
TREES = 250
BLOCK = 250_000
UNITS = ("s wall", "s CPU", "MB")


def write_table(path: Path, rows: int) -> None:
    """Write events of two classes, block by block."""
    random = np.random.default_rng(1)
    with pq.ParquetWriter(path, pa.schema([(n, pa.float32()) for n in [*FEATURES, "label"]])) as to:
        for start in range(0, rows, BLOCK):
            values = random.normal(size=(min(BLOCK, rows - start), 30)).astype(np.float32)
            margin = values[:, 0] + values[:, 1] * values[:, 2] - 0.5 * values[:, 3] ** 2 + 0.5
            label = random.random(len(values)) < 1 / (1 + np.exp(-margin))
            columns = [*values.T, label.astype(np.float32)]
            to.write_table(pa.table([pa.array(one) for one in columns], schema=to.schema))


def write_study(path: Path, table: Path) -> None:
    """Write the study, of which all that is not given is the default."""
    trees = {"name": "boosted_trees", "trees": TREES, "patience": None}
    study = {
        "name": "trees",
        "source": {"name": "files", "files": str(table)},
        "targets": {"event": {"classes": {"background": "label == 0", "signal": "label == 1"}}},
        "representation": {"name": "table", "features": FEATURES},
        "models": {"trees": {"model": trees}},
    }
    path.write_text(yaml.safe_dump(study))


def script(path: str, kind: str) -> None:
    """Do the same by hand."""
    import xgboost
    from sklearn.metrics import roc_auc_score

    table = pq.read_table(path)
    x = np.stack([table[name].to_numpy() for name in FEATURES], 1)
    y = table["label"].to_numpy()
    del table
    rows = np.random.default_rng(1).permutation(len(y))
    train, validation, test = np.split(rows, [6 * len(y) // 10, 8 * len(y) // 10])
    if kind == "DMatrix":
        events = xgboost.DMatrix(x[train], y[train], nthread=1)
        validated = xgboost.DMatrix(x[validation], y[validation], nthread=1)
    else:
        events = xgboost.QuantileDMatrix(x[train], y[train], nthread=1)
        validated = xgboost.QuantileDMatrix(x[validation], y[validation], ref=events, nthread=1)
    growth = {"max_depth": 6, "learning_rate": 0.1, "tree_method": "hist", "nthread": 1}
    growth |= {"objective": "binary:logistic", "eval_metric": "logloss"}
    both = [(events, "training"), (validated, "validation")]
    booster = xgboost.train(growth, events, TREES, evals=both, verbose_eval=False)
    print(roc_auc_score(y[test], booster.inplace_predict(x[test])))


def measured(command: list[str], log: Path) -> tuple[float, float, float]:
    """Return wall and CPU seconds and the peak memory in MB of a process."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "ARROW_NUM_THREADS"], "1")
    began = time.perf_counter()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, env=os.environ | threads, stdout=file, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: {log.read_text()[-2000:]}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def compare(folder: Path, rows: int, rounds: int) -> None:
    """Print times and memory of the sides in alternation, and the ratios."""
    table, study, log = folder / "events.parquet", folder / "study.yaml", folder / "log"
    write_table(table, rows)
    write_study(study, table)
    found: dict[str, list[tuple[float, float, float]]] = {}
    own = [sys.executable, __file__, "--file", str(table), "--script"]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(dir=folder) as made:
            os.environ["BUNCHTRAIN_CACHE"] = made
            ours = [sys.executable, "-m", "bunchtrain", "run", str(study), "--runs", made]
            found.setdefault("bunchtrain run", []).append(measured(ours, log))
        for kind in ("DMatrix", "QuantileDMatrix"):
            found.setdefault(kind, []).append(measured([*own, kind], log))
    print(f"{rows:,} rows, {TREES} trees, {rounds} rounds: median (smallest to largest)")
    for side, runs in found.items():
        values = [
            f"{show(one)} {unit}" for one, unit in zip(zip(*runs, strict=True), UNITS, strict=True)
        ]
        print(f"{side:28}" + "".join(f"{value:32}" for value in values))
    for kind in ("DMatrix", "QuantileDMatrix"):
        pairs = zip(found["bunchtrain run"], found[kind], strict=True)
        ratios = zip(*[[a / b for a, b in zip(*pair, strict=True)] for pair in pairs], strict=True)
        print(f"{'ratio to ' + kind:28}" + "".join(f"{show(one, 2) + ' ×':32}" for one in ratios))


def show(values: tuple[float, ...], digits: int = 0) -> str:
    """Return median and range as text."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--folder", type=Path, help="where files are made")
    arguments.add_argument("--script", choices=["DMatrix", "QuantileDMatrix"])
    arguments.add_argument("--file", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.script:
        script(given.file, given.script)
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        compare(Path(folder), given.rows, given.rounds)


if __name__ == "__main__":
    main()
