"""Malformed studies: values of all options and keys, structure, YAML, names and overrides."""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from malformed.harness import Malformed

from bunchtrain import parts
from bunchtrain.parts.options import _arguments, bounds
from bunchtrain.study import data_keys, schema

#: A valid study of the file that `write_events` writes.
STUDY: dict[str, Any] = {
    "name": "s",
    "source": {"name": "files", "files": "events.csv"},
    "targets": {"t": {"classes": {"qcd": "label == 0", "top": "label == 1"}}},
    "split": {"name": "fraction"},
    "spectators": ["z"],
    "representation": {"name": "table", "features": ["x", "y"]},
    "model": {"name": "dense_network", "widths": [8]},
}
#: Values of required options, so that another option is the only fault.
REQUIRED: dict[str, Any] = {
    "files": "events.csv",
    "column": "label",
    "key": "label",
    "features": ["x"],
    "channels": ["pt"],
    "against": "z",
    "edges": [0.0, 0.5, 1.0],
    "columns": ["x"],
    "parameter": "x",
}
#: Values that no key and no option takes.
NEVER: dict[str, Any] = {
    "mapping of lists of mappings": {"a": [{"b": {}}]},
    "list of mappings of lists": [{"a": [[]]}],
    "list of 2,000": [{} for _ in range(2_000)],
}
LONG, NUL = "x" * 100_000, "a\0b"


def write_events(folder: Path, rows: int = 120) -> None:
    """Write `events.csv` with the columns x, y, z, label, weight and text."""
    numbers = np.random.default_rng(1).normal(size=(rows, 3))
    lines = [
        f"{x:.4f},{y:.4f},{z:.4f},{i % 2},1.0,word{i % 3}" for i, (x, y, z) in enumerate(numbers)
    ]
    text = "\n".join(["x,y,z,label,weight,text", *lines, ""])
    (folder / "events.csv").write_text(text, encoding="utf-8")


def changed(key: str, value: Any, study: Mapping[str, Any] = STUDY) -> dict[str, Any]:
    """Return the study with the value at a dotted key replaced."""
    found: Any = deepcopy(dict(study))
    place = found
    *path, last = key.split(".")
    for word in path:
        place = place.setdefault(word, {})
    place[last] = value
    return found


def of_study(kind: str, name: str, content: Any, *words: str, accepted: bool = False) -> Malformed:
    """Return the input of a study and further arguments."""

    def prepare(folder: Path) -> list[str]:
        write_events(folder)
        text = content if isinstance(content, str | bytes) else yaml.safe_dump(content)
        data = text if isinstance(text, bytes) else text.encode()
        (folder / "s.yaml").write_bytes(data)
        return ["run", "s.yaml", *words]

    return Malformed(kind, name, prepare, accepted)


def wrong_values(hint: Any) -> dict[str, Any]:
    """Return values that a type with its range does not have, by what they are."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [one for one in inner if one is not types.NoneType]
        return wrong_values(kinds[0]) | NEVER if len(kinds) == 1 else dict(NEVER)
    if origin is Annotated and inner[0] in (int, float):
        return _wrong_numbers(inner[0], bounds(hint))
    if origin is Annotated:
        return _wrong_of_annotated(hint, inner)
    if origin is Literal:
        return {"no choice": "nosuch", "number": 7, "list": [1, 2], **NEVER}
    if hint is bool:
        return {"text": "perhaps", "number": 2, "list": [True, False], **NEVER}
    if hint is str:
        return {"list": ["a", 1], "mapping": {"a": 1}, "long text": LONG, "NUL": NUL, **NEVER}
    if origin in (list, tuple, Sequence):
        items = [one for one in inner if one is not ...]
        wrong = wrong_values(items[0]) if items else {}
        return {f"item: {name}": [value] for name, value in wrong.items()} | {"mapping": {"a": 1}}
    if origin is dict:
        wrong = wrong_values(inner[1])
        found = {f"value: {name}": {"a": value} for name, value in wrong.items()}
        return found | {"list": ["a", 1], "number": 3}
    return dict(NEVER)


def _wrong_numbers(kind: type, limits: Mapping[str, float]) -> dict[str, Any]:
    low = limits.get("ge", limits.get("gt", 0))
    high = limits.get("le", limits.get("lt", 0))
    below = (low - 1 if abs(low) < 1e15 else low * 2) if "ge" in limits else low
    above = (high + 1 if abs(high) < 1e15 else high * 2) if "le" in limits else high
    found = {
        "text": "high", "empty text": "", "nan": float("nan"), "infinity": float("inf"),
        "mapping": {"a": 1}, "lists": [[1, 2]], "below": kind(below), "above": kind(above),
        "huge": 10**400, "long text": LONG,
    }  # fmt: skip
    return found | ({"fraction": low + 0.5} if kind is int else {})


def _wrong_of_annotated(hint: Any, inner: tuple[Any, ...]) -> dict[str, Any]:
    if typing.get_origin(inner[0]) is Annotated or inner[0] in (int, float):
        base = typing.get_args(inner[0])[0] if inner[0] not in (int, float) else inner[0]
        limits = {**bounds(inner[0]), **bounds(hint)}
        return _wrong_numbers(base, limits) if base in (int, float) else wrong_values(inner[0])
    return wrong_values(inner[0])


def places() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield kind, name and a study that has the part, with its required options."""
    where = {"systematic": "systematics.effect", "engine": "training.engine"}
    for kind in parts.KINDS:
        for name in sorted(parts.locate(kind)):
            options = parts.options(parts.find(kind, name)).values()
            given = {one.name: REQUIRED.get(one.name) for one in options if one.required}
            yield kind, name, changed(where.get(kind, kind), {"name": name, **given})


def options_of_parts() -> Iterator[Malformed]:
    """Yield wrong values of every option of every part."""
    where = {"systematic": "systematics.effect", "engine": "training.engine"}
    for kind, name, study in places():
        for option, argument in _arguments(parts.find(kind, name)).items():
            for what, value in wrong_values(argument.hint).items():
                key = f"{where.get(kind, kind)}.{option}"
                yield of_study(
                    "option of a part", f"{name}.{option}: {what}", changed(key, value, study)
                )
        yield of_study(
            "unknown option", f"{kind} {name}", changed(f"{where.get(kind, kind)}.nosuch", 1, study)
        )


def keys_of_the_study() -> Iterator[Malformed]:
    """Yield wrong values of every key of the study and of its sections."""
    sections = {
        "": schema.Study, "training.": schema.Training, "weights.": schema.Weights,
        "weights.reweight.": data_keys.Reweight, "storage.": schema.Storage,
        "targets.t.": schema.TargetConfig, "models.m.": schema.ModelOverrides,
        "ensembles.e.": schema.Ensemble,
    }  # fmt: skip
    for start, model in sections.items():
        hints = typing.get_type_hints(model, include_extras=True)
        for key, field in model.model_fields.items():
            for what, value in wrong_values(hints[key]).items():
                if value != field.default:
                    yield of_study(
                        "key of the study", f"{start}{key}: {what}", changed(f"{start}{key}", value)
                    )
        yield of_study("unknown key", start or "top", changed(f"{start}nosuch", 1))
    for key in ("seed", "training.epochs", "define", "note", "targets"):
        for what, value in {"list": [1] * 100_000, "text": LONG}.items():
            yield of_study("key of the study", f"{key}: {what} of 100,000", changed(key, value))
    for key in ("source", "targets", "representation", "model"):
        content = {name: value for name, value in STUDY.items() if name != key}
        yield of_study("missing key", key, content)
        for value in (None, 3, "", [], {}, True, [None], {"name": None}, {"name": 3}, {"name": ""}):
            yield of_study("key of the study", f"{key}: {value!r}", changed(key, value))


YAML = {
    "unclosed list": "a: [", "unclosed mapping": "a: {b: 1", "tab": "a:\n\t- 1", "two documents":
    "a: 1\n---\nb: 2", "only a comment": "# nothing", "empty": "", "a number": "3", "a text": "run",
    "a list": "- a\n- b", "null": "null", "duplicate key": "name: a\nname: b", "unknown alias":
    "a: *b", "tag of Python": "a: !!python/object/apply:os.system ['true']", "unknown tag": "a: !x 1",
    "key that is a list": "? [a]\n: 1", "key that is a mapping": "? {a: 1}\n: 1", "bad indentation":
    "a:\n  b: 1\n c: 2", "unclosed quote": "a: 'b", "control character": "a: \x01", "deep lists":
    "a: " + "[" * 3000 + "]" * 3000, "deep mappings": "a: " + "{b: " * 3000 + "1" + "}" * 3000,
    "huge integer": "seed: " + "9" * 10_000, "billion laughs": "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "\n".join(f"{b}: &{b} [{', '.join(['*' + a] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)),
    "contains itself": "a: &a [*a]", "merge of a text": "a: {<<: b}", "date as name": "name: 2024-01-01",
}  # fmt: skip


def yaml_texts() -> Iterator[Malformed]:
    """Yield files that are not YAML, or not of a study."""
    valid = yaml.safe_dump(STUDY)
    for name, text in YAML.items():
        yield of_study("YAML", name, text)
        if name not in ("only a comment", "empty"):
            yield of_study("YAML", f"{name}, after a study", f"{valid}\n{text}\n")
    for name, data in {
        "latin-1": "title: é".encode("latin-1"), "UTF-16": valid.encode("utf-16"), "random": np.random
        .default_rng(1).bytes(500), "zeros": bytes(100), "a gzip": b"\x1f\x8b" + bytes(50),
    }.items():  # fmt: skip
        yield of_study("YAML", name, data)
    for cut in range(10, len(valid) - 3, 9):
        yield of_study("YAML", f"cut at {cut}", valid[:cut], accepted=True)


FILE_NAMES = [
    "../up", "/absolute", "a/b", "..", ".", "", " ", "a b", "a\0b", "a\nb", "x" * 65, "x" * 300,
    "x" * 100_000, ".hidden", "-option", "+x", "ends.", "[bold]", "[/bold]", "$\\nosuch$", "a$b$",
    "<script>", "a&b", "a\\b", "é", "a\tb", "C:\\x", "~", "~root", "a*", "a?b", "a|b", "a;b", "a'b",
    'a"b', "`a`", "%s", "{}", "a:b", "\u202eabc", "\x1b[31mred",
]  # fmt: skip
LABELS = [
    "", " ", " a", "a ", "a/b", "../up", "$\\nosuch$", "a$", "[bold]", "[/bold]", "<b>", "a&b", "a\0b",
    "a\nb", "x" * 65, "x" * 100_000, ".", "-a", "a\\b", "{a}", "a{b", 'a"b', "a'b", "`a`", "a%b", "a#b",
    "a|b", "a;b", "\x1b[31m", "\u202ea",
]  # fmt: skip


def names() -> Iterator[Malformed]:
    """Yield names that are no file names, or have a meaning in TeX, HTML or markup."""
    for name in FILE_NAMES:
        shown = repr(name[:20])
        yield of_study("name", f"study {shown}", changed("name", name))
        yield of_study(
            "name", f"target {shown}", {**STUDY, "targets": {name: STUDY["targets"]["t"]}}
        )
        yield of_study("name", f"model {shown}", {**STUDY, "models": {name: {}}})
        two = {"a": {}, "b": {"training": {"epochs": 2}}}
        yield of_study(
            "name", f"ensemble {shown}", {**STUDY, "models": two, "ensembles": {name: {}}}
        )
        effect = {name: {"name": "expression_shift", "columns": {"x": "x + shift"}}}
        yield of_study("name", f"systematic {shown}", {**STUDY, "systematics": effect})
        yield of_study("name", f"part {shown}", changed("model", {"name": name}))
    for label in LABELS:
        shown = repr(label[:20])
        classes = {label: "label == 0", "top": "label == 1"}
        yield of_study("name", f"class {shown}", changed("targets.t.classes", classes))
        values = {**STUDY, "targets": {"t": {"values": {label: "x"}}}}
        yield of_study("name", f"value {shown}", values)
    collisions = {
        "model named as a seed of another": {"seeds": 2, "models": {"a": {}, "a_seed_2": {}}},
        "models that differ in case": {"models": {"a": {}, "A": {}}},
        "ensemble named as a model": {"models": {"a": {}, "b": {}}, "ensembles": {"a": {}}},
        "ensemble named as a seed": {
            "seeds": 2,
            "models": {"a": {}, "b": {}},
            "ensembles": {"a_seed_2": {}},
        },
        "columns that meet": {
            "models": {"a": {}, "a_b": {}},
            "targets": {"t": {"classes": {"b_c": "label == 0", "c": "label == 1"}}},
        },
        "spectator named as the target": {"spectators": ["t"]},
        "spectator named as a prediction": {"spectators": ["dense_network_top"]},
        "spectator named weight": {"spectators": ["weight"]},
        "spectator named entry": {"spectators": ["entry"]},
        "spectator twice": {"spectators": ["z", "z"]},
        "key that all models replace": {"models": {"a": {"model": "boosted_trees"}}},
    }
    for name, change in collisions.items():
        yield of_study("name", name, {**STUDY, **change})


def meaning() -> Iterator[Malformed]:
    """Yield studies whose keys do not fit each other or the data."""
    regression = {"targets": {"t": {"values": {"x": "x"}}}}
    wrong: dict[str, dict[str, Any]] = {
        "a column that does not exist": {"representation": {"name": "table", "features": ["nosuch"]}},
        "text as a feature": {"representation": {"name": "table", "features": ["text"]}},
        "text as a spectator": {"spectators": ["text"]},
        "text as a weight": {"weights": {"event": "text"}},
        "text as a value": {"targets": {"t": {"values": {"v": "text"}}}},
        "spectator that does not exist": {"spectators": ["nosuch"]},
        "balance without classes": {**regression, "weights": {"balance": True}},
        "reweight without classes": {**regression, "weights": {"reweight": {"variables": {"x": [0, 1]}, "reference": "top"}}},
        "reweight to no class": {"weights": {"reweight": {"variables": {"x": [0, 1]}, "reference": "nosuch"}}},
        "reweight by no column": {"weights": {"reweight": {"variables": {"nosuch": [0, 1]}, "reference": "top"}}},
        "edges that fall": {"weights": {"reweight": {"variables": {"x": [1, 0]}, "reference": "top"}}},
        "edges of NaN": {"weights": {"reweight": {"variables": {"x": [0, float("nan")]}, "reference": "top"}}},
        "one edge": {"weights": {"reweight": {"variables": {"x": [0]}, "reference": "top"}}},
        "no variable": {"weights": {"reweight": {"variables": {}, "reference": "top"}}},
        "negative weights": {"weights": {"event": "-1"}},
        "weights of zero": {"weights": {"event": "0 * weight"}},
        "weights of NaN": {"weights": {"event": "sqrt(-1 - x * x)"}},
        "both kinds of target": {"targets": {"t": {"classes": {"a": "x > 0", "b": "x <= 0"}, "values": {"v": "x"}}}},
        "one class": {"targets": {"t": {"classes": {"a": "x > 0"}}}},
        "overlapping classes": {"targets": {"t": {"classes": {"a": "x > 0", "b": "x > -9"}}}},
        "a class without events": {"targets": {"t": {"classes": {"a": "x > 99", "b": "x < 99"}}}},
        "no event selected": {"select": "x > 99"},
        "a selection that is a number": {"select": "x"},
        "a signal of no class": {"targets": {"t": {"classes": {"a": "x > 0", "b": "x <= 0"}, "signal": "c"}}},
        "a network of too many weights": {"model": {"name": "dense_network", "widths": [65_536] * 20}},
        "an image of too many pixels": {"representation": {"name": "image", "pixels": 1024, "channels": ["pt"] * 99}, "model": "image_cnn", "training": {"batch_size": 100_000}},
        "a model of other tensors": {"model": "particle_net"},
        "a loss of values": {"loss": "mean_squared_error"},
        "a loss of classes": {**regression, "loss": "cross_entropy"},
        "a loss on no target": {"loss": {"name": "cross_entropy", "target": "nosuch"}},
        "a loss twice": {"loss": ["cross_entropy", "cross_entropy"]},
        "only a penalty": {"loss": [{"name": "disco", "against": "z"}]},
        "a penalty of no column": {"loss": ["cross_entropy", {"name": "disco", "against": "nosuch"}]},
        "a penalty against a text": {"loss": ["cross_entropy", {"name": "disco", "against": "text"}]},
        "a weight of a loss of 0": {"loss": {"name": "cross_entropy", "weight": 0}},
        "an infinite weight of a loss": {"loss": {"name": "cross_entropy", "weight": float("inf")}},
        "a weight of a loss of NaN": {"loss": {"name": "cross_entropy", "weight": float("nan")}},
        "an empty loss": {"loss": []},
        "an evaluation twice": {"evaluation": ["classification", "classification"]},
        "no efficiencies": {"evaluation": [{"name": "classification", "efficiencies": []}]},
        "efficiencies twice": {"evaluation": [{"name": "classification", "efficiencies": [0.5, 0.5]}]},
        "an evaluation against no column": {"evaluation": [{"name": "efficiency_profile", "against": ["nosuch"]}]},
        "an evaluation of no target": {"evaluation": [{"name": "classification", "target": "nosuch"}]},
        "an evaluation of values": {"evaluation": ["regression"]},
        "an effect that does not exist": {"evaluation": [{"name": "systematic_shift", "by": "nosuch"}]},
        "an ensemble of one": {"models": {"a": {}}, "ensembles": {"e": {}}},
        "an ensemble of none": {"models": {"a": {}, "b": {}}, "ensembles": {"e": {"of": ["c"]}}},
        "an ensemble twice of one": {"models": {"a": {}, "b": {}}, "ensembles": {"e": {"of": ["a", "a"]}}},
        "flattened against no spectator": {"models": {"a": {}, "b": {}}, "ensembles": {"e": {"of": ["a"], "by": "ddt", "against": "x"}}},
        "fractions above 1": {"split": {"name": "fraction", "train": 0.9, "validation": 0.2, "test": 0.2}},
        "two folds": {"split": {"name": "kfold", "folds": 2}},
        "a fold beyond": {"split": {"name": "kfold", "folds": 5, "fold": 5}},
        "no remainder for training": {"split": {"name": "modulo", "key": "label", "modulo": 2, "validation": [0], "test": [1]}},
        "a split by no column": {"split": {"name": "column", "column": "nosuch"}},
        "a split without test": {"split": {"name": "fraction", "train": 0.8, "validation": 0.2, "test": 0.0}},
        "no validation set": {"split": {"name": "column", "column": "label"}},
        "a posterior of trees": {"model": "boosted_trees", "posterior": "mc_dropout"},
        "a posterior without dropout": {"posterior": "mc_dropout"},
        "an export that does not fit": {"export": "circuit"},
        "a model's own wrong key": {"models": {"a": {"training": {"epochs": 0}}}},
        "a model's own unknown key": {"models": {"a": {"training": {"epoch": 3}}}},
        "a scan of two keys": {"models": {"a": {"scan": {"seeds": [1], "model.dropout": [0.1]}}}},
        "a scan of nothing": {"models": {"a": {"scan": {"model.dropout": []}}}},
        "a scan of texts": {"models": {"a": {"scan": {"model.dropout": ["a"]}}}},
        "a scan of a wrong key": {"models": {"a": {"scan": {"model.nosuch": [1, 2]}}}},
        "a wrong size": {"sizes": {"demo": {"training.epohs": 1}}},
        "a wrong value of a size": {"sizes": {"demo": {"training.epochs": 0}}},
        "a size of a text": {"sizes": {"demo": "small"}},
        "a definition of nothing": {"define": {"a": ""}},
        "a definition of null": {"define": {"a": None}},
        "a definition of itself": {"define": {"a": "a + 1"}, "spectators": ["a"]},
        "a definition of no column": {"define": {"a": "nosuch + 1"}, "spectators": ["a"]},
        "no file": {"source": {"name": "files", "files": "nosuch.csv"}},
        "no files": {"source": {"name": "files", "files": []}},
        "a glob of no file": {"source": {"name": "files", "files": "nosuch*.csv"}},
        "a folder": {"source": {"name": "files", "files": "."}},
        "a file of another format": {"source": {"name": "files", "files": "s.yaml"}},
        "an unknown format": {"source": {"name": "files", "files": "events.csv", "format": "nosuch"}},
        "a tree in a CSV file": {"source": {"name": "files", "files": "events.csv", "tree": "t"}},
        "names of too few columns": {"source": {"name": "files", "files": "events.csv", "names": ["a"], "header": False}},
        "a cache in no folder": {"storage": {"folder": "/proc/nowhere"}},
        "a cache in a file": {"storage": {"folder": "events.csv"}},
        "memory of a word": {"storage": {"memory": "much"}},
        "memory below zero": {"storage": {"memory": -1}},
        "memory without unit": {"storage": {"memory": "2 XB"}},
        "published metrics of texts": {"models": {"a": {"published": {"source": "p", "auc": "high"}}}},
        "published metrics misspelt": {"models": {"a": {"published": {"source": "p", "acuracy": 0.9}}}},
        "published metrics without a source": {"models": {"a": {"published": {"auc": 0.9}}}},
        "published NaN": {"models": {"a": {"published": {"source": "p", "auc": float("nan")}}}},
        "training.select of no column": {"training": {"select": "nosuch > 0"}},
        "one training event": {"training": {"events": 1}},
    }  # fmt: skip
    for name, change in wrong.items():
        yield of_study("meaning", name, {**STUDY, **change})


def overrides() -> Iterator[Malformed]:
    """Yield dotted overrides that change nothing, or to nothing valid."""
    words = [
        "training.epochs", "=3", ".=3", "training..epochs=3", ".training=3", "training.=3", "nosuch=3",
        "training.nosuch=3", "training.epochs=0", "training.epochs=many", "training.epochs=[1",
        "training.epochs={a", "training.epochs.more=3", "model.nosuch=3", "model.name=particel_net",
        "model.widths=[0]", "model.widths.0=0", "model.widths.9=3", "model.widths.x=3", "loss.disco.weight=3",
        "loss.weight=3", "loss.0.weight=3", "evaluation.nosuch.target=t", "evaluation.9.target=t",
        "evaluation.classification=3", "evaluation.classification.nosuch=3", "targets.t.classes=3",
        "targets=none", "targets.t=null", "source=null", "model=null", "representation=null", "seed=-1",
        "seed=5000000000", "seed=1e400", "seed=.nan", "name=../up", "name=a/b", "name=", "title=[1]",
        "split.train=2", "split.name=nosuch", "export.0.name=x", "export.onnx.opset=3", "calibration.a=1",
        "models.a.nosuch=1", "models.a.model.name=nosuch", "models=3", "models.a=3", "storage.memory=no",
        "sizes.demo=3", "sizes.nosuch={}", "systematics.a=nosuch", "systematics.a.size=3", "ensembles.e.of=[a]",
        "evaluation.target=nosuch", "evaluation.efficiencies=3", "evaluation.fractions=3", "weights.nosuch=1",
        "weights.negative=maybe", "x" * 100_000 + "=1", "training.epochs=" + "9" * 5000,
        "training.epochs=" + "[" * 2000, "training.epochs=!!python/name:os.system", "training.epochs=&a [*a]",
        "define.a=", "define.a=[1]", "select=x x", "spectators=3", "spectators.5=z",
        "loss.*.weight=.inf", "a\0b=1", "training.threads=1000000000",
    ]  # fmt: skip
    for word in words:
        yield of_study("override", word[:60], STUDY, word)
    yield of_study("override", "twice", STUDY, "training.epochs=1", "training.epochs=2")
    yield of_study("override", "size that is not there", STUDY, "--size", "demo")


def all_studies() -> Iterator[Malformed]:
    """Yield all malformed studies."""
    yield from options_of_parts()
    yield from keys_of_the_study()
    yield from yaml_texts()
    yield from names()
    yield from meaning()
    yield from overrides()
