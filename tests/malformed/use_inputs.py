"""Wrong use of what is right: paths, events and outputs for commands, variables, calls in Python."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
import yaml
from malformed.harness import Malformed
from malformed.other_inputs import COMMANDS, WRITERS, damages, make_run
from malformed.section_inputs import write_study
from malformed.study_inputs import STUDY, changed, write_events

PATHS = [
    "pipe.csv", "loop.csv", "broken.csv", "folder.csv", "folder", "/dev/zero", "/dev/null", "/dev/full", "/proc/self/mem",
    "/proc/self/environ", "events.csv:tree", "events.csv::", "tree.root:nosuch", "tree.root:", "tree.root:tree/x", "tree.root:tree:x",
    "tree.root:../tree", "$NOSUCH/events.csv", "${NOSUCH", "$", "~nosuch/events.csv", "~", "/", "./", "..", "*", "**", "[", "[b]*.csv",
    "{a,b}.csv", "nosuch/*.csv", "folder/*", "*.nosuch", "http://localhost:1/a.root", "https://", "http://[", "://", "s3://a/b.root",
    "root://localhost:1//a.root", "nosuch://a", "file:///nosuch.csv", "file://", "memory://a.csv", "data:text/csv,x", "x" * 300 + ".csv",
    "x/" * 3000 + "a.csv", "é.csv", "\u202ea.csv", "a\nb.csv", " .csv", "events.csv/", "events.csv/x.csv", "-.csv", "--help.csv",
    "loop.csv/x.csv", "zip://a.csv::nosuch.zip", "events.csv.gz", "EVENTS.CSV", "CON", "a\\b.csv", "'events.csv'", '"events.csv"',
]  # fmt: skip


def paths() -> Iterator[Malformed]:
    """Yield paths of no file, of no regular file, or of no reachable one, for each command."""
    commands: dict[str, Callable[[str], list[str]]] = {
        "inspect": lambda path: ["inspect", path],
        "init": lambda path: ["init", path, "-o", "runs/new.yaml"],
        "run": lambda path: ["run", "p.yaml"],
        "study": lambda path: ["run", path],
        "check": lambda path: ["check", path],
        "report": lambda path: ["report", path],
    }
    for path in PATHS:
        harmless = path in ("*", "**", "events.csv/")
        for verb, words in commands.items():
            yield _of_path(verb, path, words, harmless)


def _of_path(verb: str, path: str, words: Callable[[str], list[str]], harmless: bool) -> Malformed:
    def prepare(folder: Path) -> list[str]:
        write_study(folder)
        os.mkfifo(folder / "pipe.csv")
        (folder / "loop.csv").symlink_to("loop.csv")
        (folder / "broken.csv").symlink_to("nosuch.csv")
        (folder / "folder.csv").mkdir()
        (folder / "folder").mkdir()
        (folder / "runs").mkdir()
        with uproot.recreate(folder / "tree.root") as file:
            file["tree"] = {"x": np.arange(9.0), "label": np.arange(9) % 2}
        content = {**STUDY, "source": {"name": "files", "files": path}}
        (folder / "p.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
        return words(path)

    return Malformed("path", f"{verb} {path[:40]!r}", prepare, harmless)


def _tables() -> dict[str, Any]:
    """Return events that a model of x and y cannot be applied to, by what is wrong."""
    x = np.linspace(-1, 1, 50)
    return {
        "without y": {"x": x}, "without any column": {"q": x}, "y a text": {"x": x, "y": np.full(50, "a")},
        "y of times": {"x": x, "y": np.arange(50).astype("datetime64[s]")}, "y of lists": {"x": x, "y": [[1.0, 2.0]] * 50},
        "y of lists of lists": {"x": x, "y": [[[1.0]]] * 50}, "y of records": {"x": x, "y": [{"a": 1}] * 50},
        "y missing": {"x": x, "y": [None] * 50}, "y sometimes missing": {"x": x, "y": [None, 1.0] * 25}, "X and Y": {"X": x, "Y": x},
        "y of NaN": {"x": x, "y": x * np.nan}, "y infinite": {"x": x, "y": x / 0.0 if False else np.full(50, np.inf)},
        "y huge": {"x": x, "y": np.full(50, 1e308)}, "y of conditions": {"x": x, "y": x > 0}, "no rows": {"x": x[:0], "y": x[:0]},
        "y of integers at the limit": {"x": x, "y": np.full(50, 2**63 - 1)}, "y of bytes": {"x": x, "y": [b"\xff\0"] * 50},
        "y of decimals": {"x": x, "y": pa.array([1] * 50).cast(pa.decimal128(30, 2))}, "y of nothing": {"x": x, "y": pa.nulls(50)},
        "y of maps": {"x": x, "y": pa.array([[("a", 1)]] * 50, pa.map_(pa.string(), pa.int64()))},
        "names of markup": {"x": x, "y": x, "[/b]": x, "": x}, "a name twice in other case": {"x": x, "y": x, "Y": x},
    }  # fmt: skip


def predictions(base: Path) -> Iterator[Malformed]:
    """Yield events, outputs and options that `predict` cannot use with a good run."""
    run = make_run(base)
    for form, writer in WRITERS.items():
        place = base / "good"
        place.mkdir(exist_ok=True)
        path = writer(place)
        for what, data in damages(path.read_bytes()).items():
            yield _predict(f"{form} {what}", run, path.name, data, "runs/out.parquet", True)
    for what, columns in _tables().items():
        place = base / "table.parquet"
        pq.write_table(pa.table({n: pa.array(v) for n, v in columns.items()}), place)
        for output in ("runs/out.csv", "runs/out.root"):
            name = f"{what} to {output[9:]}"
            yield _predict(name, run, "new.parquet", place.read_bytes(), output, True)
    good = (base / "good" / "events.csv").read_bytes()
    for output in (
        "new.csv", "runs/out", "runs/out.txt", "runs/out.npz", "runs", ".", "", "/dev/null", "/proc/nowhere/a.csv",
        "runs/" + "x" * 300 + ".csv", "runs/\0.csv", "new.csv/out.csv", "runs/out.parquet.gz", "runs/r", "/",
        "loop.csv", "runs/r/predictions.parquet", "runs/r/status.json",
    ):  # fmt: skip
        yield _predict(
            f"output {output[:30]!r}", run, "new.csv", good, output, output == "loop.csv"
        )
    for words in (
        ["--workers", "0"], ["--workers", "many"], ["--nosuch"], ["--per-object", "3"], ["new.csv", "nosuch.csv"], ["new.csv", "tree.root"],
        ["events.csv", "table.parquet"], ["--workers"], ["-o", "runs/b.csv"],
    ):  # fmt: skip
        yield _predict(
            str(words), run, "new.csv", good, "runs/out.csv", words[0] in ("-o", "new.csv"), words
        )
    for words in (
        ["--rows", "0"], ["--rows", "many"], ["--rows", "5"], ["--model", "nosuch"], ["--seed", "-1"], ["--conditions", "nosuch.csv"],
        ["--conditions", "new.csv"], ["--workers", "0"], ["--rows", str(10**12)],
    ):  # fmt: skip
        one = _predict("", run, "new.csv", good, "runs/out.csv", False)

        def generate(folder: Path, one: Malformed = one, words: list[str] = words) -> list[str]:
            one.prepare(folder)
            return ["generate", "runs/r", "-o", "runs/out.parquet", *words]

        yield Malformed("generate", str(words), generate)


def _predict(
    name: str, run: Path, file: str, data: bytes, output: str, accepted: bool, more: Any = ()
) -> Malformed:
    def prepare(folder: Path) -> list[str]:
        write_events(folder)
        (folder / "runs").mkdir()
        (folder / "runs" / "r").symlink_to(run)
        (folder / "loop.csv").symlink_to("loop.csv")
        (folder / file).write_bytes(data)
        return ["predict", "runs/r", file, "-o", output, *more]

    return Malformed("predict", name, prepare, accepted)


def variables(base: Path) -> Iterator[Malformed]:
    """Yield variables of the environment that name no folder, or nothing."""
    run = make_run(base)
    values = [
        "",
        " ",
        "nosuch",
        "events.csv",
        "/proc/nowhere",
        "/dev/null",
        "x" * 5000,
        "a\nb",
        "$NOSUCH",
        "~nosuch",
        "3",
        "-1",
        "é",
    ]
    names = ("CACHE", "DATA", "TRUST_CODE", "THREADS", "CONFIG", "HOME")
    for name in (
        *(f"BUNCHTRAIN_{one}" for one in names),
        "OMP_NUM_THREADS",
        "COLUMNS",
        "LANG",
        "TERM",
        "NO_COLOR",
        "MPLBACKEND",
    ):
        for value in values:
            if name == "BUNCHTRAIN_CACHE" and value in ("nosuch", "3", "-1", "é"):
                continue  # folders that are made
            for verb in ("run", "report"):
                yield _of_variable(name, value, verb, run)


def _of_variable(name: str, value: str, verb: str, run: Path) -> Malformed:
    def prepare(folder: Path) -> list[str]:
        write_study(folder)
        (folder / "runs").mkdir()
        if verb == "report":
            (folder / "runs" / "r").symlink_to(run)
        os.environ[name] = value
        return ["run", "s.yaml"] if verb == "run" else COMMANDS[verb]

    return Malformed("variable", f"{name}={value[:20]!r}: {verb}", prepare, accepted=True)


def events_of_types(base: Path) -> Iterator[Malformed]:
    """Yield studies of events whose columns have a type, a shape or a name that does not fit."""
    for what, columns in _tables().items():
        place = base / "table.parquet"
        pq.write_table(pa.table({n: pa.array(v) for n, v in columns.items()}), place)
        data = place.read_bytes()
        for use in (
            "features",
            "class",
            "weight",
            "spectator",
            "split",
            "select",
            "inspect",
            "init",
        ):
            yield _of_events(what, use, "table.parquet", data)
    x = np.arange(60.0)
    arrays: dict[str, Any] = {
        "complex": x * 1j, "objects": np.array([{}] * 60, object), "of no length": x[:0], "one number": np.array(3.0), "of another length": x[:7],
        "texts": np.full(60, "a" * 100), "bytes": np.full(60, b"\xff"), "a table": x.reshape(20, 3), "four axes": np.zeros((60, 2, 2, 2)),
        "records": np.zeros(60, [("a", "f4"), ("b", "S3")]), "times": x.astype("timedelta64[s]"), "void": np.zeros(60, "V5"),
        "half": np.full(60, np.inf, "f2"), "longdouble": x.astype("g"), "big-endian": x.astype(">i8"),
    }  # fmt: skip
    for what, y in arrays.items():
        np.savez(base / "arrays.npz", x=x, label=x % 2, y=y)
        for use in ("features", "class", "inspect", "init"):
            yield _of_events(f"NPZ {what}", use, "arrays.npz", (base / "arrays.npz").read_bytes())
        if y.dtype.kind not in "OUmV":
            with h5py.File(base / "arrays.h5", "w") as file:
                file["x"], file["label"], file["y"] = x, x % 2, y
            for use in ("features", "class", "inspect", "init"):
                yield _of_events(
                    f"HDF5 {what}", use, "arrays.h5", (base / "arrays.h5").read_bytes()
                )
    for what, tree in {
        "no branch": {}, "only lists": {"y": ak.Array([[1.0], []])}, "no entry": {"x": x[:0], "y": x[:0]},
    }.items():  # fmt: skip
        with uproot.recreate(base / "tree.root") as file:
            file.mktree(
                "tree",
                {n: v.type.content if isinstance(v, ak.Array) else v.dtype for n, v in tree.items()}
                or {"z": "f4"},
            )
            if tree and len(next(iter(tree.values()))):
                file["tree"].extend(tree)
        for use in ("features", "class", "inspect", "init"):
            yield _of_events(f"ROOT {what}", use, "tree.root", (base / "tree.root").read_bytes())


def _of_events(what: str, use: str, file: str, data: bytes) -> Malformed:
    study = {**STUDY, "source": {"name": "files", "files": file}, "spectators": [],
             "targets": {"t": {"classes": {"a": "x < 0", "b": "x >= 0"}}},
             "representation": {"name": "table", "features": ["x"]}}  # fmt: skip
    change = {
        "features": ("representation.features", ["x", "y"]), "class": ("targets.t.classes", {"a": "y > 0", "b": "y <= 0"}),
        "weight": ("weights", {"event": "y"}), "spectator": ("spectators", ["y"]), "select": ("select", "y > 0"),
        "split": ("split", {"name": "column", "column": "y"}),
    }.get(use, ("seed", 1))  # fmt: skip

    def prepare(folder: Path) -> list[str]:
        (folder / "runs").mkdir()
        (folder / file).write_bytes(data)
        content = yaml.safe_dump(changed(*change, study))
        (folder / "s.yaml").write_text(content, encoding="utf-8")
        others = {"inspect": ["inspect", file], "init": ["init", file, "-o", "runs/new.yaml"]}
        return others.get(use, ["run", "s.yaml"])

    return Malformed("events", f"{what}: {use}", prepare, accepted=True)
