"""Malformed data files, run folders, command lines and expressions."""

import gzip
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import uproot
import yaml
from malformed.harness import Malformed
from malformed.study_inputs import STUDY, of_study, write_events

from bunchtrain.study import load
from bunchtrain.workflow import run_study

EXPRESSIONS = [
    "", " ", "x +", "+ * x", "(x", "x)", "((x)", "x y", "x = 1", "x == ", "x[", "x[0", "x[]", "x]", "1 2",
    "nosuch", "nosuch(x)", "sqrt()", "sqrt(x, y)", "sqrt x", "x.y", "x.__class__", "().__class__",
    "__import__('os')", "open('f')", "exec('1')", "lambda: x", "[x for x in y]", "{x}", "{x: 1}", "x if y else z",
    "x; y", "import os", "x\ny", "x := 1", "*x", "**x", "yield x", "await x", "f'{x}'", "b'x'", "'x'", "'x",
    "x // ", "x @ y", "x is y", "x in y", "not", "and x", "x and", "x or", "1e", "0x", "1__0", "1.2.3", "x..y",
    "x, y", "(x, y)", "[x, y]", "...", "None", "print(x)", "x!", "x?y:z", "$x", "x$", "#", "x # y", "`x`",
    "\\", "x\\", "é + 1", "x\0", "9" * 5000, "9**9**9", "2**10**10", "(" * 5000 + "x" + ")" * 5000,
    "-" * 5000 + "x", "x" + "+x" * 20_000, "x" * 20_001, "sqrt(" * 200 + "x" + ")" * 200, "not " * 3000 + "x",
    "x[0]", "x[y > 0]", "sum(x)", "text", "text + 1", "text * 2", "sqrt(text)", "x + text", "max()", "min(x, y, z)",
    "where(x)", "where(x, y)", "column()", "column(x)", "column('nosuch')", "column(1)", "p4(x)", "p4(x, y, z)",
    "deltaR(x, y)", "mass(x)", "x(y)", "x[:]", "x[::0]", "x[1:", "x['y']", "x[0, 1, 2]", "~", "~x", "x ^ y", "x <> y",
    "x === y", "x < y <", "<", "x <", "!x", "x &", "& x", "x || y", "x && y", "TRUE", "nan", "inf", "1/",
]  # fmt: skip


def expressions() -> Iterator[Malformed]:
    """Yield expressions that cannot be parsed, or do not give what is needed."""
    for text in EXPRESSIONS:
        shown = repr(text[:40])
        # Some are numbers or conditions, and are valid in one of these places.
        for place, change in {
            "select": {"select": text},
            "feature": {"representation": {"name": "table", "features": [text]}},
            "class": {"targets": {"t": {"classes": {"a": text, "b": "x > 99"}}}},
            "define": {"define": {"new": text}, "spectators": ["new"]},
            "weight": {"weights": {"event": text}},
        }.items():
            yield of_study("expression", f"{place} {shown}", STUDY | change, accepted=True)


def _write_csv(folder: Path) -> Path:
    write_events(folder)
    return folder / "events.csv"


def _columns() -> dict[str, np.ndarray]:
    x, y, z = np.random.default_rng(1).normal(size=(3, 500))
    return {"x": x, "y": y, "z": z, "label": np.arange(500) % 2, "weight": np.ones(500)}


def _write_gzip(folder: Path) -> Path:
    path = folder / "events.csv.gz"
    path.write_bytes(gzip.compress(_write_csv(folder).read_bytes()))
    return path


def _write_npz(folder: Path) -> Path:
    np.savez(folder / "events.npz", **_columns())
    return folder / "events.npz"


def _write_h5(folder: Path) -> Path:
    with h5py.File(folder / "events.h5", "w") as file:
        for name, values in _columns().items():
            file[name] = values
    return folder / "events.h5"


def _write_frame(folder: Path) -> Path:
    path = folder / "frame.h5"
    pd.DataFrame(_columns()).to_hdf(path, key="df", format="fixed")
    return path


def _write_parquet(folder: Path) -> Path:
    pq.write_table(pa.table(_columns()), folder / "events.parquet")
    return folder / "events.parquet"


def _write_root(folder: Path) -> Path:
    with uproot.recreate(folder / "events.root") as file:
        file["tree"] = {**_columns(), "jet": ak.Array([[1.0, 2.0], []] * 250)}
    return folder / "events.root"


WRITERS: dict[str, Callable[[Path], Path]] = {
    "csv": _write_csv, "csv.gz": _write_gzip, "npz": _write_npz, "h5": _write_h5,
    "pandas h5": _write_frame, "parquet": _write_parquet, "root": _write_root,
}  # fmt: skip


def _random(size: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(size)


def damages(data: bytes) -> dict[str, bytes]:
    """Return damaged versions of a file by what was done."""
    found = {f"cut to {part:g}": data[: int(part * len(data))] for part in (0, 0.01, 0.1, 0.3, 0.5)}
    found |= {f"cut by {count}": data[:-count] for count in (1, 7, 50)}
    found |= {
        "random": _random(len(data), 1),
        "zeros": bytes(len(data)),
        "text": b"this is not a file of events\n" * 20,
        "HTML": b"<!DOCTYPE html><html><body>Not found</body></html>",
        "JSON": b'{"a": [1, 2]}',
        "first bytes random": _random(64, 2) + data[64:],
        "last bytes random": data[:-64] + _random(64, 3),
        "reversed": data[::-1],
    }
    for seed in range(8):
        at = int(np.random.default_rng(seed).integers(0, max(1, len(data) - 32)))
        found[f"32 random bytes at {at}"] = data[:at] + _random(32, seed) + data[at + 32 :]
    return found


def data_files(base: Path) -> Iterator[Malformed]:
    """Yield damaged files of each format, and their use by `inspect`, `init` and `run`."""
    folder = base / "data"
    folder.mkdir(exist_ok=True)
    for form, writer in WRITERS.items():
        path = writer(folder)
        for what, data in damages(path.read_bytes()).items():
            sure = what.startswith(("cut to", "random", "zeros", "text", "HTML", "JSON"))
            for verb in ("inspect", "run", "init"):
                # A CSV file may be cut between two rows, and any text may be one.
                accepted = not sure or (form == "csv" and what not in ("random", "zeros"))
                yield _of_file(f"{form} {what}: {verb}", path.name, data, verb, accepted)
        others = ["a.root", "a.h5", "a.parquet", "a.npz", "a.csv", "a.txt", "a"]
        for other in others:
            if not path.name.endswith(other[1:]) or other == "a":
                yield _of_file(f"{form} named {other}", other, path.read_bytes(), "inspect")
    for name, text in CSV.items():
        for verb in ("inspect", "run"):
            yield _of_file(f"csv {name}: {verb}", "events.csv", text.encode("utf-8"), verb)


_HEAD = "x,y,z,label,weight\n"
_ROWS = "".join(f"{i}.5,{i},1,{i % 2},1\n" for i in range(60))
CSV = {
    "a cell too many": _HEAD + _ROWS + "1,2,3,0,1,9\n" + _ROWS, "a cell too few": _HEAD + _ROWS + "1,2\n",
    "text in a number": _HEAD + _ROWS + "abc,1,1,0,1\n", "text after 200 kB": _HEAD + _ROWS * 300 + "abc,1,1,0,1\n",
    "decimal commas": "x;y;z;label;weight\n" + '1,5;2,5;3,5;0;1\n' * 60, "empty cells": _HEAD + ",1,1,0,1\n" * 60,
    "huge integers": _HEAD + "9" * 400 + ",1,1,0,1\n" + _ROWS, "a column twice": "x,x,z,label,weight\n" + _ROWS,
    "an empty name": "x,,z,label,weight\n" + _ROWS, "only a header": _HEAD, "only comments": "# a\n# b\n",
    "only blank lines": "\n\n\n", "an open quote": _HEAD + '"1,2,3,0,1\n' + _ROWS, "NUL": _HEAD + "\0,1,1,0,1\n" + _ROWS,
    "only the label": "label\n" + "0\n1\n" * 60, "one row": _HEAD + "1,2,3,0,1\n", "NaN labels": _HEAD + "1,1,1,nan,1\n" * 60,
    "infinities": _HEAD + "inf,1,1,0,1\n-inf,1,1,1,1\n" * 60, "tabs": (_HEAD + _ROWS).replace(",", "\t"),
    "a long line": "x," * 100_000 + "y\n", "booleans": _HEAD + "true,1,1,0,1\nmaybe,1,1,1,1\n" * 60,
}  # fmt: skip


def _of_file(name: str, file: str, data: bytes, verb: str, accepted: bool = True) -> Malformed:
    def prepare(folder: Path) -> list[str]:
        (folder / file).write_bytes(data)
        study = {**STUDY, "source": {"name": "files", "files": file}}
        (folder / "s.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        output = folder / "runs"  # `init` may write here
        output.mkdir()
        arguments = {
            "inspect": ["inspect", file],
            "init": ["init", file, "-o", "runs/new.yaml"],
            "run": ["run", "s.yaml"],
        }
        return arguments[verb]

    return Malformed(f"data: {verb}", name, prepare, accepted)


def make_run(base: Path) -> Path:
    """Return the folder of a finished run of a small study."""
    folder = base / "reference"
    folder.mkdir()
    write_events(folder, 400)
    content = {**STUDY, "source": {"name": "files", "files": str(folder / "events.csv")}}
    content |= {"training": {"epochs": 1}, "calibration": "temperature", "seeds": 2}
    (folder / "s.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    done = run_study.run(load(folder / "s.yaml"), runs=folder / "runs")
    return done.files.path


COMMANDS = {
    "report": ["report", "runs/r"],
    "predict": ["predict", "runs/r", "events.csv", "-o", "runs/out.parquet"],
    "compare": ["compare", "runs/r", "runs/r", "-o", "runs/compare.svg"],
    "evaluate": ["evaluate", "classification", "runs/r"],
    "export": ["export", "runs/r", "--to", "onnx", "-o", "runs/exported"],
    "resume": ["run", "--resume", "runs/r"],
}
JSON_VALUES = [b"[]", b"{}", b"3", b"null", b'"text"', b"{", b'{"a": ' * 500, b"[1e999]", b"NaN"]


def run_folders(base: Path) -> Iterator[Malformed]:
    """Yield run folders with one file that is cut, foreign, of another type, or missing."""
    run = make_run(base)
    verbs = list(COMMANDS)
    count = 0
    for path in sorted(p for p in run.rglob("*") if p.is_file()):
        name, data = path.relative_to(run), path.read_bytes()
        versions: dict[str, bytes | None] = {
            "emptied": b"", "cut to half": data[: len(data) // 2], "random": _random(200, 1),
            "a byte changed": bytes([data[0] ^ 1]) + data[1:] if data else b"x", "missing": None,
        }  # fmt: skip
        if path.suffix == ".json":
            versions |= {f"is {value[:20].decode()}": value for value in JSON_VALUES}
        for what, version in versions.items():
            important = path.suffix in (".json", ".yaml", ".safetensors", ".pt", ".parquet")
            for verb in verbs if important else [verbs[count % len(verbs)]]:
                count += 1
                yield of_run(f"{name} {what}: {verb}", run, name, version, COMMANDS[verb])
    for verb, words in COMMANDS.items():
        for what in ("missing", "a file", "empty", "of another kind"):
            yield no_run(f"run folder {what}: {verb}", what, words)


def of_run(
    name: str,
    run: Path,
    file: Path,
    data: bytes | None,
    words: list[str],
    place: str = "r",
    study: str = "",
) -> Malformed:
    """Return a command on a copy of a run, `runs/<place>`, with one file replaced or removed."""

    def prepare(folder: Path) -> list[str]:
        write_events(folder)
        (folder / "s.yaml").write_text(study, encoding="utf-8")
        shutil.copytree(run, folder / "runs" / place)
        changed = folder / "runs" / place / file
        changed.unlink()
        if data is not None:
            changed.write_bytes(data)
        return words

    return Malformed("run folder", name, prepare, accepted=True)


def no_run(name: str, what: str, words: list[str], path: str = "r") -> Malformed:
    """Return a command on what is no run, `runs/<path>`."""

    def prepare(folder: Path) -> list[str]:
        write_events(folder)
        place = folder / "runs" / path
        place.parent.mkdir(parents=True)
        if what == "a file":
            place.write_text("text")
        elif what != "missing":
            place.mkdir()
        if what == "of another kind":
            (place / "study.yaml").write_text("a: 1")
            (place / "status.json").write_text('{"state": "finished"}')
        return words

    return Malformed("run folder", name, prepare)


def command_lines() -> Iterator[Malformed]:
    """Yield command lines with wrong words, options and values."""
    lines = [
        "runn", "--nosuch", "run", "run nothing", "run s.yaml --nosuch", "run s.yaml --size huge",
        "run s.yaml --jobs 0", "run s.yaml --jobs many", "run s.yaml --jobs 1.5", "run s.yaml --only nosuch",
        "run s.yaml --only", "run s.yaml --only a --only b", "run --resume nosuch", "run --resume s.yaml",
        "run s.yaml --resume runs", "run s.yaml s.yaml", "run .", "run events.csv", "run s.yaml --runs events.csv",
        "run s.yaml --runs /proc/nowhere", "run --size demo", "run s.yaml training.epochs", "run s.yaml -x",
        "inspect", "inspect nosuch", "inspect .", "inspect events.csv:tree", "inspect a b",
        "init", "init nosuch", "init s.yaml", "init .", "init events.csv -o s.yaml", "init events.csv -o /proc/x/y.yaml",
        "predict", "predict runs", "predict runs events.csv", "predict runs events.csv -o out.txt",
        "predict nosuch events.csv -o out.root", "predict s.yaml events.csv -o out.root", "evaluate",
        "evaluate nosuch runs", "evaluate classification", "evaluate classification nosuch",
        "evaluate classification a=1", "compare", "compare nosuch", "compare s.yaml", "compare runs", "report",
        "report nosuch", "report s.yaml", "report .", "export", "export runs", "export runs --to nosuch",
        "export nosuch --to onnx", "export runs --to onnx --events 0", "export runs --to onnx --events many",
        "tune", "tune s.yaml --trials 0", "tune s.yaml --workers 0", "tune s.yaml --space nosuch.yaml",
        "tune s.yaml --engine nosuch", "tune s.yaml --space events.csv",
        "tune s.yaml --only nosuch", "tune nosuch", "tune s.yaml --engine local --folder s.yaml --space space.yaml",
        "parts nosuch", "parts model nosuch", "parts model particel_net", "parts model dense_network x",
        "parts --nosuch", "studies x", "schema x", "fetch nosuch", "fetch a b", "shift", "shift nosuch",
        "workspace nosuch --by a=b", "workspace nosuch --bins 0", "reweight nosuch", "capsules nosuch",
        "predict runs [b] -o out.root", "inspect [/b].csv", "run [/bold]", "parts [/b]", "report [/b]",
    ]  # fmt: skip
    for line in lines:
        yield of_words(line, line.split())
    for text in (
        "\0",
        "a\0b",
        "x" * 10_000,
        "\x1b[31m",
        "\n",
        "",
        " ",
        "é" * 300,
        "$(true)",
        "../" * 50,
    ):
        for verb in (
            ["run"],
            ["inspect"],
            ["report"],
            ["init"],
            ["parts"],
            ["export"],
            ["compare"],
        ):
            yield of_words(f"{verb[0]} {text[:20]!r}", [*verb, text])
    for content in SPACES:
        yield of_words(
            f"tune with the space {content[:40]!r}",
            ["tune", "s.yaml", "--engine", "local", "--space", "space.yaml"],
            content,
        )


SPACES = [
    "", "3", "a", "[1]", "a: [", "nosuch: {low: 1, high: 2}", "training.epochs: [3, 5", "training.epochs: high",
    "training.epochs: {low: 5, high: 1}", "training.epochs: {low: a, high: b}", "training.epochs: {low: 0, high: 3}",
    "training.epochs: {choices: 3}", "training.epochs: {choices: []}", "training.epochs: {}", "training.epochs: 3",
    "training.epochs: {low: 1}", "training.epochs: {low: 1, high: 3, nosuch: 2}", "training.epochs: {low: .nan, high: 3}",
    "training.learning_rate: {low: 0, high: 1, log: true}", "training.learning_rate: {low: -1, high: 1, log: true}",
    "model.nosuch: {low: 1, high: 2}", "training.epochs: null", "training.epochs: {choices: [a, b]}",
]  # fmt: skip


def of_words(
    name: str,
    words: list[str],
    space: str = "training.epochs: {low: 1, high: 2}",
    study: Mapping[str, Any] = STUDY,
) -> Malformed:
    """Return a command line where `s.yaml`, `space.yaml` and the events are."""

    def prepare(folder: Path) -> list[str]:
        write_events(folder)
        (folder / "s.yaml").write_text(yaml.safe_dump(dict(study)), encoding="utf-8")
        (folder / "space.yaml").write_text(space, encoding="utf-8")
        return words

    return Malformed("command line", name, prepare)
