"""Malformed sections of a study: conditions, simulated detectors, executors, own parts, sizes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from malformed.harness import Malformed
from malformed.stage_inputs import PLAY, STAGED, STAGES
from malformed.study_inputs import STUDY, changed, of_study, write_events

GEOMETRY = "sensor,part,position\n0,a,1.5\n1,b,2.5\n"
#: A valid study that looks up a column of conditions.
LOOKED_UP = {
    **STUDY,
    "conditions": {"geometry": {"files": "geometry.csv", "key": "sensor"}},
    "define": {"where": "geometry.position[label]"},
    "representation": {"name": "table", "features": ["x", "where"]},
}


def of_files(
    kind: str, name: str, content: Any, files: dict[str, str | bytes], accepted: bool = False
) -> Malformed:
    """Return the input of a study with further files beside it."""
    study = of_study(kind, name, content, accepted=accepted)

    def prepare(folder: Path) -> list[str]:
        for file, text in files.items():
            (folder / file).parent.mkdir(exist_ok=True, parents=True)
            (folder / file).write_bytes(text.encode() if isinstance(text, str) else text)
        return study.prepare(folder)

    return Malformed(kind, name, prepare, accepted)


TABLES: dict[str, str | bytes] = {
    "without rows": "sensor,part,position\n", "empty": "", "without the key": "part,position\na,1\nb,2\n",
    "only the key": "sensor\n0\n1\n", "with a key twice": GEOMETRY + "1,c,2.5\n",
    "with a key of NaN": "sensor,part,position\nnan,a,1\n1,b,2\n", "with an empty key": GEOMETRY + ",c,3\n",
    "with a key of fractions": "sensor,part,position\n0.5,a,1\n1,b,2\n", "random": bytes(range(256)) * 9,
    "with a missing key": "sensor,part,position\n0,a,1\n", "ragged": GEOMETRY + "2,c\n", "zeros": bytes(99),
    "with a column twice": "sensor,position,position\n0,1,2\n1,2,3\n", "HTML": "<html><body>404</body></html>",
    "of texts": "sensor,part,position\n0,a,b\n1,b,c\n",
    "of too many rows": "sensor,part,position\n" + "".join(f"{i},a,1\n" for i in range(1_100_000)),
}  # fmt: skip


def conditions() -> Iterator[Malformed]:
    """Yield conditions whose table, key, or use is wrong."""
    for name, data in TABLES.items():
        yield of_files("conditions", f"a table {name}", LOOKED_UP, {"geometry.csv": data})
    wrong: dict[str, Any] = {
        "geometry": [None, 3, "", [], "geometry.csv", {"files": 3}, {"files": []}, {"files": {}}],
        "geometry.files": ["nosuch.csv", "nosuch*.csv", ".", "", "\0", "s.yaml", None, ["geometry.csv"] * 2],
        "geometry.key": ["nosuch", "", None, [], ["sensor"] * 2, ["sensor", "nosuch"], "position", 3,
                         ["sensor", "part", "position"], ["a"] * 9, "sensor,part"],
        "geometry.missing": ["zero", 0, None, True], "geometry.units": [3, "parsec", {"position": "x"}, {"nosuch": "mm"}],
        "geometry.tree": ["nosuch", 3], "geometry.nosuch": [1],
        "a b": [{"files": "geometry.csv"}], "../up": [{"files": "geometry.csv"}], "": [{"files": "geometry.csv"}],
        "x": [{"files": "geometry.csv", "key": "sensor"}], "[b]": [{"files": "geometry.csv"}],
    }  # fmt: skip
    unused = ("geometry.files", "geometry.units", "x")  # which may do no harm
    for key, values in wrong.items():
        for value in values:
            content = changed(f"conditions.{key}", value, LOOKED_UP)
            name = f"{key}: {str(value)[:40]}"
            yield of_files("conditions", name, content, {"geometry.csv": GEOMETRY}, key in unused)
    for text in (
        "geometry.position", "geometry.nosuch[label]", "geometry.position[]", "geometry.position[nosuch]",
        "geometry.position[label, label]", "geometry.position[x]", "geometry.position['a']", "nosuch.position[label]",
        "geometry.position[label][0]", "geometry[label]", "geometry.part[label] + 1", "geometry.position[text]",
        "geometry.position[label] geometry.position[label]", "geometry.position[label + 99]", "geometry.position[:1]",
        "geometry.position[-1]", "geometry.position[label > 0]", "geometry.position[1e30]", "geometry.position[9**40]",
        "column('geometry.position')", "column('geometry')[label]", "geometry..position[label]",
        "geometry.position[geometry.position[label]]", "sum(geometry.position[label])", "geometry.sensor[label]",
    ):  # fmt: skip
        content = changed("define.where", text, LOOKED_UP)
        taken = text == "geometry.position[label > 0]"
        yield of_files("conditions", text, content, {"geometry.csv": GEOMETRY}, taken)


SILICON = {"material": "G4_Si", "thickness": 0.3, "cell": 5.0}
DETECTORS: dict[str, Any] = {
    "layers": [
        [{"of": [{"material": "G4_W", "thickness": 2.8}]}], [{"of": [{**SILICON, "material": "G4_Nosuch"}]}],
        [{"of": [SILICON, {**SILICON, "z": 0.1}]}], [{"of": [SILICON], "repeat": 1001}], [{"of": []}], [], [[]], [3],
        [{"of": [{**SILICON, "z": 5.0}], "repeat": 2}], [{"of": [{**SILICON, "shape": "round"}]}], "silicon",
        [{"of": [{**SILICON, "cell": 0}]}], [{"of": [{**SILICON, "thickness": -1}]}], [{"of": [{"material": "G4_Si"}]}],
        [{"of": [{**SILICON, "material": ""}]}], [{"of": [{**SILICON, "material": "x" * 10_000}]}], [{"nosuch": 1}],
        [{"of": [{**SILICON, "nosuch": 1}]}], [{"of": [{**SILICON, "material": 3}]}], [{"of": SILICON, "repeat": 0}],
        [{"of": [{**SILICON, "material": "[/b]"}]}], [{"of": [{**SILICON, "thickness": float("nan")}]}],
    ],
    "apex": [float("nan"), 1e9, "far"], "width": [0, -5, 1e9], "particles": [["unicorn"], [], [3], "", "[/b]", {"a": 1}, ["e"]],
    "energy": [[], [10, 1], [1, 2, 3], 0, -1, 1e9, ["ten"]], "showers": [[], [3, 1], 0, 1.5, 10**6],
    "theta": [[], [1, 0], 9, -1], "phi": [[], [1, 0], 99], "z": [[], [1, 0], float("inf")], "spectrum": ["flat", 3],
    "events": [0, -1, 10**15], "part": [0, -1], "seed": [-1, 2**40], "processes": [0, -1, 10**9],
}  # fmt: skip


def detectors() -> Iterator[Malformed]:
    """Yield simulated detectors that cannot be built, and samples of them."""
    features = {"name": "table", "features": ["particle_energy"]}
    study = {**STUDY, "representation": features, "spectators": []}
    for source in (
        "grindhammer_peters",
        "geant4_calorimeter",
        "geant4_silicon",
        "geant4_liquid_argon",
    ):
        for option, values in DETECTORS.items():
            for value in values:
                content = {**study, "source": {"name": source, "events": 4, option: value}}
                yield of_study("detector", f"{source}.{option}: {str(value)[:50]}", content)
        for folder in ("/proc/nowhere", "events.csv", "\0", 3):
            content = {**study, "source": {"name": source, "events": 2, "folder": folder}}
            yield of_study("detector", f"{source}.folder: {folder!r}", content)


def executors() -> Iterator[Malformed]:
    """Yield executors that there are not, with options that they do not have or that do harm."""
    for value in (
        None, 3, "", [], {}, True, "nosuch", "procesess", ["processes"], {"name": None}, {"name": 3}, {"workers": 2},
        {"name": "processes", "workers": "many"}, {"name": "processes", "workers": -1}, {"name": "sequential", "workers": 2},
        {"name": "processes", "nosuch": 1}, {"name": "slurm", "time": "soon"}, {"name": "slurm", "time": "1; true"},
        {"name": "slurm", "memory": "much"}, {"name": "slurm", "memory": "$(true)"}, {"name": "slurm", "partition": ["a"]},
        {"name": "slurm", "options": [3]},
        {"name": "slurm", "cpus": 0}, {"name": "slurm", "workers": 0}, {"name": "slurm", "partition": "a\0b"},
        {"name": "ray", "workers": 0}, {"name": "ray", "address": 3}, {"name": "[/b]"}, "./nosuch.py:Mine",
    ):  # fmt: skip
        accepted = value in (None, {})  # which stands for the default
        yield of_study(
            "executor", str(value)[:60], changed("executor", value, STAGED), accepted=accepted
        )


MODULES: dict[str, tuple[str, str]] = {
    "no file": ("./nosuch.py:Mine", ""), "no class": ("./mine.py:Nosuch", "class Mine: pass"), "no name": ("./mine.py:", "class Mine: pass"),
    "a function": ("./mine.py:mine", "def mine(): pass"), "a number": ("./mine.py:mine", "mine = 3"),
    "no Python": ("./mine.py:Mine", "class Mine(:"), "a text": ("./mine.txt:Mine", "class Mine: pass"),
    "an import of nothing": ("./mine.py:Mine", "import nosuch_module"), "an error": ("./mine.py:Mine", "1 / 0"),
    "an exit": ("./mine.py:Mine", "raise SystemExit(0)"), "an exit with a text": ("./mine.py:Mine", "raise SystemExit('x' * 1000)"),
    "an unknown base": ("./mine.py:Mine", "class Mine(Nosuch): pass"), "of another kind": ("./mine.py:Mine", "class Mine: pass"),
    "without keywords": ("./mine.py:Mine", "class Mine:\n    def __init__(self, a, b, c): pass"),
    "bytes": ("./mine.py:Mine", "\0\0\0"), "latin": ("./mine.py:Mine", "# -*- coding: nosuch -*-\nclass Mine: pass"),
    "empty": ("./mine.py:Mine", ""), "a folder": ("./:Mine", ""), "two colons": ("./mine.py:Mine:Yours", "class Mine: pass"),
    "an absolute file": ("/nosuch/mine.py:Mine", ""), "a deep name": ("./mine.py:Mine.Inner", "class Mine: pass"),
    "a class of Python": ("./mine.py:int", ""), "an enormous name": ("./mine.py:" + "M" * 5000, "class Mine: pass"),
    "options without a type": ("./mine.py:Mine", "class Mine:\n    def __init__(self, *, a): pass"),
    "a type that is nothing": ("./mine.py:Mine", "class Mine:\n    def __init__(self, *, a: 'Nosuch' = 1): pass"),
}  # fmt: skip
#: Kind of part → key of a study.
OWN = {"model": "model", "representation": "representation", "source": "source", "split": "split",
       "method": "method", "loss": "loss", "evaluation": "evaluation", "executor": "executor",
       "transform": "stages.kept.transform", "policy": "stages.play.rollout.policy",
       "environment": "stages.play.rollout.environment", "systematic": "systematics.e",
       "workflow": "stages.w.workflow", "export": "export"}  # fmt: skip


def own_parts() -> Iterator[Malformed]:
    """Yield parts of the user's own whose file or class cannot be used."""
    study = changed("stages.play", {"rollout": PLAY}, STAGED)
    for kind, key in OWN.items():
        for what, (name, text) in MODULES.items():
            extra = {"of": "source"} if kind == "transform" else {}
            content = changed(key, {"name": name, **extra}, study)
            yield of_files(
                "own part", f"{kind}: {what}", content, {"mine.py": text, "mine.txt": text}
            )


def large_studies() -> Iterator[Malformed]:
    """Yield studies that are valid in each line, and too large, deep or wide."""
    many = [f"c{i}" for i in range(20_000)]
    wide = {f"m{i}": {} for i in range(3_000)}
    chain = {f"d{i}": f"d{i - 1} + 1" if i else "x" for i in range(1_500)}
    select = {"name": "select", "where": "x > -9"}
    stages = {
        f"k{i}": {"transform": {**select, "of": f"k{i - 1}" if i else "source"}}
        for i in range(1_200)
    }
    circle = {**stages, "k0": {"transform": {**select, "of": "k1199"}}}
    for name, change in {
        "features": {"representation": {"name": "table", "features": many}},
        "the same feature": {"representation": {"name": "table", "features": ["x"] * 20_000}},
        "spectators": {"spectators": many}, "models": {"models": wide}, "definitions": {"define": dict.fromkeys(many, "x")},
        "a chain of definitions": {"define": chain, "spectators": ["d1499"]}, "stages": {"stages": stages},
        "a circle of stages": {"stages": circle}, "files": {"source": {"name": "files", "files": many}},
        "classes": {"targets": {"t": {"classes": {n: f"x > {i}" for i, n in enumerate(many)}}}},
        "targets": {"targets": dict.fromkeys(many[:3000], STUDY["targets"]["t"])},
        "losses": {"loss": [{"name": "cross_entropy", "weight": i + 1} for i in range(5_000)]},
        "evaluations": {"evaluation": [{"name": f"classification{i}"} for i in range(5_000)]},
        "references": {"references": ["x" * 1000] * 5_000}, "a description": {"description": "x" * 5_000_000},
        "a title": {"title": "x" * 1_000_000}, "a note": {"note": "a\n" * 500_000}, "seeds": {"seeds": 10_000},
        "systematics": {"systematics": dict.fromkeys(many, "nosuch")}, "calibrations": {"calibration": ["temperature"] * 5_000},
        "widths": {"model": {"name": "dense_network", "widths": [8] * 20_000}},
        "conditions": {"conditions": {n: {"files": "events.csv", "key": "label"} for n in many[:3000]}},
        "repetitions": {"stages": {**STAGES, "again": {"repeat": {"over": "seeds", "times": 10**9, "run": ["fit"]}}}},
        "combinations": {"stages": {**STAGES, "a": {"repeat": {"over": "scan", "run": ["fit", "scores"], "scan": {
            "fit.train.training.learning_rate": [0.1 / (i + 1) for i in range(10_000)],
            "fit.train.model.dropout": [i / 10_001 for i in range(10_000)]}}}}},
        "a glob of everything": {"source": {"name": "files", "files": "/**/*.csv"}},
        "a glob of parents": {"source": {"name": "files", "files": "../" * 40 + "**/*.csv"}},
        "many stars": {"source": {"name": "files", "files": "*" * 5_000}},
        "a device of zeros": {"source": {"name": "files", "files": "/dev/zero", "format": "csv"}},
        "memory of the process": {"source": {"name": "files", "files": "/proc/self/mem", "format": "npz"}},
    }.items():  # fmt: skip
        harmless = name in ("references", "a description", "a title", "a note", "files", "models",
                            "calibrations", "stages", "a chain of definitions", "targets", "seeds",
                            "definitions")  # fmt: skip
        yield of_study("large study", name, {**STUDY, **change}, accepted=harmless)
    text = yaml.safe_dump(STUDY)
    for name, more in {
        "comments": "# a\n" * 2_000_000, "blank lines": "\n" * 10_000_000, "keys": "".join(f"k{i}: 1\n" for i in range(300_000)),
        "a number": "seed: " + "1" * 3_000_000, "one line": "note: " + "x" * 20_000_000, "aliases": "a: &a [1]\nb: [" + "*a, " * 300_000 + "]",
    }.items():  # fmt: skip
        yield of_study("large study", f"a file of {name}", f"{text}\n{more}\n", accepted=True)


def write_study(folder: Path) -> None:
    """Write the valid study and its events."""
    write_events(folder)
    (folder / "s.yaml").write_text(yaml.safe_dump(STUDY), encoding="utf-8")
