"""Malformed stages: their keys and parts, what they read, commands about them, records of runs."""

import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from malformed.harness import Malformed
from malformed.other_inputs import JSON_VALUES, no_run, of_run, of_words
from malformed.study_inputs import REQUIRED, STUDY, changed, of_study, write_events, wrong_values

from bunchtrain import parts
from bunchtrain.parts.options import _arguments
from bunchtrain.study import load, repeats, stages
from bunchtrain.workflow import run_study

PLAY = {
    "environment": {
        "name": "event_stream",
        "table": "kept",
        "scores": ["x"],
        "signal": "label == 1",
        "budget": 10.0,
    },
    "policy": "random",
}
#: A valid study with a stage of most kinds.
STAGES: dict[str, Any] = {
    "kept": {"transform": {"name": "select", "of": "source", "where": "x > -9"}},
    "events": {"prepare": {"of": "kept", "split": {"name": "kfold", "folds": 3}}},
    "fit": {"train": {"of": "events", "model": {"name": "dense_network", "widths": [4]}}},
    "mixture": {"train": {"of": "events", "method": "gaussian_mixture"}},
    "made": {"generate": {"of": "mixture", "rows": 20}},
    "scores": {"predict": {"of": "fit"}},
    "folds": {"repeat": {"over": "folds", "run": ["events", "fit", "scores"]}},
    "again": {"repeat": {"over": "seeds", "times": 2, "run": ["fit", "scores"]}},
}
STAGED = {**STUDY, "split": {"name": "kfold", "folds": 3}, "stages": STAGES}
#: Kind of stage → its keys.
KEYS: dict[str, Any] = {
    "prepare": stages.PrepareStage, "train": stages.TrainStage, "predict": stages.PredictStage,
    "generate": stages.GenerateStage, "rollout": stages.RolloutStage, "repeat": repeats.RepeatStage,
}  # fmt: skip
EXAMPLES = {"prepare": "events", "train": "fit", "predict": "scores", "generate": "made",
            "repeat": "again", "rollout": "play"}  # fmt: skip


#: Meanings that are harmless, or whose sentence comes after the training of other models.
FOUND_LATER = (
    "repeat a stage twice", "a scan of wrong values", "a condition that does not exist",
    "a policy that does not fit",
)  # fmt: skip


def keys_of_stages() -> Iterator[Malformed]:
    """Yield wrong values of every key of every kind of stage."""
    study = changed("stages.play", {"rollout": PLAY}, STAGED)
    for kind, model in KEYS.items():
        hints = typing.get_type_hints(model, include_extras=True)
        place = f"stages.{EXAMPLES[kind]}.{kind}"
        for key, field in model.model_fields.items():
            for what, value in wrong_values(hints[key]).items():
                if value != field.default:
                    name = f"{kind}.{field.alias or key}: {what}"
                    content = changed(f"{place}.{field.alias or key}", value, study)
                    yield of_study("key of a stage", name, content)
        yield of_study("key of a stage", f"{kind}.nosuch", changed(f"{place}.nosuch", 1, study))
    for value in (None, 3, "", [], {}, True, "train", [None], {"train": None}, {"train": 3},
                  {"train": []}, {"nosuch": {}}, {"train": {}, "predict": {}}):  # fmt: skip
        yield of_study("key of a stage", f"stage: {value!r}", changed("stages.x", value, STAGED))
    for value in (3, "fit", [], [{}], True, {"a": {"b": {"c": 1}}}):
        yield of_study("key of a stage", f"stages: {value!r}", changed("stages", value, STUDY))


def parts_of_stages() -> Iterator[Malformed]:
    """Yield wrong values of the options of parts that stages, or where they run, have."""
    where = {"environment": "stages.play.rollout.environment",
             "policy": "stages.play.rollout.policy", "executor": "executor",
             "workflow": "stages.search.workflow", "transform": "stages.kept.transform",
             "export": "stages.out.export"}  # fmt: skip
    study = changed("stages.play", {"rollout": PLAY}, STAGED)
    for kind, place in where.items():
        for name in sorted(parts.locate(kind)):
            given = {n: REQUIRED.get(n) for n, one in parts.options(parts.find(kind, name)).items()
                     if one.required}  # fmt: skip
            given |= {"transform": {"of": "source"}, "export": {"of": "fit"}}.get(kind, {})
            part = changed(place, {"name": name, **given}, study)
            for option, argument in _arguments(parts.find(kind, name)).items():
                for what, value in wrong_values(argument.hint).items():
                    content = changed(f"{place}.{option}", value, part)
                    yield of_study("part of a stage", f"{name}.{option}: {what}", content)
            yield of_study("part of a stage", f"{name}.nosuch", changed(f"{place}.nosuch", 1, part))
        yield of_study("part of a stage", f"{kind} nosuch", changed(place, "nosuch", study))


def meaning_of_stages() -> Iterator[Malformed]:
    """Yield stages that do not fit each other, the data, or their names."""
    wrong: dict[str, dict[str, Any]] = {
        "reads itself": {"a": {"predict": {"of": "fit", "on": "a"}}},
        "a circle": {"a": {"prepare": {"of": "b"}}, "b": {"predict": {"of": "fit", "on": "a"}}},
        "a circle of training": {"kept": {"predict": {"of": "fit", "on": "events"}}},
        "no such stage": {"a": {"predict": {"of": "fitt"}}},
        "no such stage, empty": {"a": {"predict": {"of": ""}}},
        "a table as a model": {"a": {"predict": {"of": "kept"}}},
        "a model as a table": {"a": {"prepare": {"of": "fit"}}},
        "files as a table": {"out": {"export": {"name": "onnx", "of": "fit"}},
                             "a": {"prepare": {"of": "out"}}},
        "a study that does not exist": {"a": {"trained": "nosuch:train"}},
        "a study that has not run": {"a": {"trained": "top_tagging:train"}},
        "a run that does not exist": {"a": {"trained": "runs/s/2020:train"}},
        "a study without a stage": {"a": {"trained": "top_tagging:"}},
        "a study without a name": {"a": {"trained": ":train"}},
        "this study": {"a": {"trained": "s:train"}},
        "a file": {"a": {"trained": "events.csv:train"}},
        "repeat over nothing": {"a": {"repeat": {"over": "seeds", "times": 2, "run": []}}},
        "repeat 0 times": {"a": {"repeat": {"over": "seeds", "times": 0, "run": ["fit"]}}},
        "repeat no stage": {"a": {"repeat": {"over": "seeds", "times": 2, "run": ["nosuch"]}}},
        "repeat itself": {"a": {"repeat": {"over": "seeds", "times": 2, "run": ["a"]}}},
        "repeat a repeat": {"a": {"repeat": {"over": "seeds", "times": 2, "run": ["again"]}}},
        "repeat a stage twice": {"a": {"repeat": {"over": "seeds", "times": 2, "run": ["fit", "fit"]}}},
        "a scan of no option": {"a": {"repeat": {"over": "scan", "run": ["fit", "scores"], "scan": {"fit.train.nosuch": [1]}}}},
        "a scan of no stage": {"a": {"repeat": {"over": "scan", "run": ["fit", "scores"], "scan": {"kept.transform.where": [1]}}}},
        "a scan of wrong values": {"a": {"repeat": {"over": "scan", "run": ["fit", "scores"], "scan": {"fit.train.training.epochs": [0, -1]}}}},
        "folds without a k-fold split": {"events": {"prepare": {"of": "kept", "split": {"name": "fraction"}}}},
        "other events than the models'": {"a": {"predict": {"of": ["fit", "train"]}}},
        "a method without events to generate": {"made": {"generate": {"of": "fit", "rows": 3}}},
        "a condition that does not exist": {"made": {"generate": {"of": "mixture", "rows": 3, "condition": {"q": 1}}}},
        "an environment without its table": {"p": {"rollout": {"environment": "event_stream", "policy": "random"}}},
        "a policy that does not fit": {"p": {"rollout": {**PLAY, "policy": {"name": "fixed", "action": 99}}}},
        "a column that does not exist": {"kept": {"transform": {"name": "select", "of": "source", "where": "nosuch > 1"}}},
        "no row left": {"kept": {"transform": {"name": "select", "of": "source", "where": "x > 99"}}},
        "an unknown transform": {"kept": {"transform": {"name": "selekt", "of": "source"}}},
        "an unknown source": {"a": {"source": {"name": "nosuch"}}},
        "a source without a file": {"a": {"source": {"name": "files", "files": "nosuch.csv"}}, "b": {"prepare": {"of": "a"}}, "c": {"train": {"of": "b"}}},
        "training from nothing": {"fit": {"train": {"of": "events", "training": {"from": "nosuch"}}}},
        "an unknown workflow": {"w": {"workflow": "nosuch"}},
    }  # fmt: skip
    for name, change in wrong.items():
        content = {**STAGED, "stages": {**STAGES, **change}}
        yield of_study("meaning of stages", name, content, accepted=name in FOUND_LATER)
    for name in ("source", "prepare", "train", "train.a", "evaluate.x", "predictions", "report",
                 "targets", "models", "a/b", "../up", "", "a b", "x" * 300, "[b]", ".hidden"):  # fmt: skip
        stage = {"transform": {"name": "select", "of": "source", "where": "x > 0"}}
        content = {**STAGED, "stages": {**STAGES, name: stage}}
        yield of_study("meaning of stages", f"named {name[:20]!r}", content)
    for what in ("nosuch", "fit", "events", "out", 3, [], ["scores", "scores"], {"a": 1}):
        evaluation = [{"name": "classification", "of": what}]
        yield of_study(
            "meaning of stages", f"evaluation of {what!r}", {**STAGED, "evaluation": evaluation}
        )
    for start in (
        {"from": "nosuch"}, {"from": "nosuch:train"}, {"from": "s:nosuch"}, {"from": "events.csv"}, {"from": "runs"},
        {"from": ""}, {"from": 3}, {"from": "../"}, {"from": "\0"}, {"freeze": ["model"]}, {"normalisation": "own"},
        {"unfreeze_after": 3}, {"from": "s", "freeze": "nosuch"}, {"from": "s", "freeze": []},
        {"from": "s", "unfreeze_after": 0}, {"from": ["s"]}, {"from": {"a": 1}},
    ):  # fmt: skip
        yield of_study("training.from", str(start), changed("training", start))


def commands_of_stages() -> Iterator[Malformed]:
    """Yield command lines about stages of a study that cannot be carried out."""
    lines = [
        "run s.yaml --only nosuch", "run s.yaml --only fitt", "run s.yaml --from nosuch",
        "run s.yaml --from fitt", "run s.yaml --from", "run s.yaml --only scores --from nosuch",
        "run s.yaml --fresh=3", "run s.yaml --only [/b]", "run --from fit", "run --only fit --from fit",
        "run s.yaml --only made,nosuch", "stage", "stage runs", "stage nosuch fit", "stage s.yaml fit", "stage runs fit",
        "stage . fit", "stage runs [/b]", "run s.yaml stages.fit=3", "run s.yaml stages.nosuch.train.off=events",
        "run s.yaml stages.fit.train.of=nosuch", "run s.yaml stages.fit=null", "run s.yaml stages=3",
        "run s.yaml stages.folds.repeat.run=[]", "run s.yaml executor=nosuch", "run s.yaml executor.workers=0",
        "run s.yaml stages.fit.train.training.epochs=0", "check s.yaml --only nosuch", "check nosuch",
    ]  # fmt: skip
    for line in lines:
        yield of_words(line, line.split(), study=STAGED)


VERBS = {
    "report": ["report", "runs/s/r"],
    "resume": ["run", "--resume", "runs/s/r"],
    "stage": ["stage", "runs/s/r", "scores"],
    "other stage": ["stage", "runs/s/r", "train.dense_network"],
    "check": ["check", "s.yaml", "--runs", "runs"],
    "again": ["run", "s.yaml", "--runs", "runs"],
}
#: Changes of the record of a stage: each is noticed or does no harm.
EDITS: dict[str, Any] = {
    "key": ["", 3, None, "a" * 64], "kind": ["", 3, "nosuch"], "inputs": [3, ["nosuch"], [3], "fit"],
    "state": ["nosuch", None, 3, "failed"], "seconds": ["many", None, -1, 1e400], "memory_mb": ["x"],
    "reused_from": [3, "/nosuch"], "why": [3, None, "[/b] <b>"],
    "files": [3, [], {"../up": "x"}, {"nosuch": "x"}, {"/etc/hostname": "x"}, {"stages": "x"}, {"a": 3}],
}  # fmt: skip
EVENTS = {
    "cut": b'{"time": "2026-01-01T00:00:00+00:00", "stage": "fit", "ev', "a list": b"[]\n", "a number": b"3\n",
    "an unknown event": b'{"time": "2026-01-01T00:00:00+00:00", "stage": "fit", "event": "x"}\n',
    "no time": b'{"time": "now", "stage": "fit", "event": "start"}\n', "zeros": bytes(500),
    "an unknown stage": b'{"time": "2026-01-01T00:00:00+00:00", "stage": "[/b]", "event": "start"}\n',
    "a long line": b'{"time": "' + b"x" * 100_000 + b'"}\n', "text": b"no event\n", "half": b"",
}  # fmt: skip


def make_staged_run(base: Path) -> Path:
    """Return the folder of a finished run of a small study with stages."""
    folder = base / "staged"
    folder.mkdir()
    write_events(folder, 400)
    content = {**STAGED, "source": {"name": "files", "files": str(folder / "events.csv")}}
    content |= {"training": {"epochs": 1}, "storage": {"folder": str(folder / "cache")}}
    used = ("kept", "events", "fit", "scores", "again")
    content["stages"] = {name: STAGES[name] for name in used}
    content["evaluation"] = [{"name": "classification", "of": "scores"}]
    (folder / "s.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return run_study.run(load(folder / "s.yaml"), runs=folder / "runs").files.path


def staged_run_folders(base: Path) -> Iterator[Malformed]:
    """Yield runs with stages of which one file is cut, foreign, edited or missing."""
    run = make_staged_run(base)
    text = (run.parents[2] / "s.yaml").read_text(encoding="utf-8")
    record = json.loads((run / "stages.json").read_text())
    versions: list[tuple[Path, str, bytes | None]] = []
    for path in sorted(p for p in run.rglob("*") if p.is_file()):
        name, data = path.relative_to(run), path.read_bytes()
        if name.parts[0] in ("stages", "stages.json", "events.jsonl", "study.yaml", "status.json"):
            versions += [(name, "emptied", b""), (name, "missing", None)]
            versions += [(name, "cut", data[: len(data) // 2]), (name, "doubled", data * 2)]
            if path.suffix == ".json":
                versions += [(name, f"is {value[:9].decode()}", value) for value in JSON_VALUES]
    for stage in ("fit", "scores", "train.dense_network", "again"):
        for key, values in EDITS.items():
            for value in values:
                edited = {**record["stages"], stage: {**record["stages"][stage], key: value}}
                content = json.dumps({"stages": edited}).encode()
                versions.append((Path("stages.json"), f"{stage}.{key} {value!r}"[:60], content))
    events = (run / "events.jsonl").read_bytes()
    for what, line in EVENTS.items():
        versions.append((Path("events.jsonl"), what, events + line))
        versions.append((Path("events.jsonl"), f"begins with {what}", line + events))
    for name, what, data in versions:
        for verb, words in VERBS.items():
            yield of_run(f"{name} {what}: {verb}", run, name, data, words, "s/r", text)
    for verb, words in VERBS.items():
        for what in ("missing", "a file", "empty", "of another kind"):
            if verb not in ("check", "again"):
                yield no_run(f"staged run folder {what}: {verb}", what, words, "s/r")
