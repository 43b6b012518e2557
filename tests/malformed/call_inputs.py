"""Calls of the Python interface with arguments of a wrong type or meaning."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from malformed.harness import Malformed
from malformed.other_inputs import make_run
from malformed.section_inputs import write_study

import bunchtrain

#: Things that are no path and no name of a study.
THINGS: list[Any] = [3, 1.5, None, True, b"a", [], {}, (), ["s.yaml"], {"a": 1}, object, print,
                     np.zeros(3), "", " ", "nosuch", "\0", "x" * 5000, ".", "../", Path("nosuch")]  # fmt: skip
OVERRIDES: list[Any] = [
    3,
    None,
    "nosuch=1",
    "=",
    "training.epochs",
    "training.epochs=0",
    {},
    [],
    b"a=1",
]


def calls(base: Path) -> Iterator[Malformed]:
    """Yield calls of the public functions, and of the methods of a run, that cannot be carried out."""
    run = bunchtrain.open_run(make_run(base))
    functions: dict[str, Callable[..., object]] = {
        "load": bunchtrain.load, "open_run": bunchtrain.open_run, "resume": bunchtrain.resume, "inspect": bunchtrain.inspect,
        "init": bunchtrain.init, "check": bunchtrain.check, "compare": bunchtrain.compare, "shift": bunchtrain.shift,
        "workspace": bunchtrain.workspace, "reweight": bunchtrain.reweight, "run": bunchtrain.run, "tune": bunchtrain.tune,
        "evaluate": lambda one: bunchtrain.evaluate(one, "classification"), "export": lambda one: bunchtrain.export(one, "onnx"),
        "run.predict to": lambda one: run.predict("events.csv", one), "run.export": run.export,
        "run.predict": run.predict, "run.predict of files": lambda one: run.predict(one, "runs/out.csv"),
        "run.predict of y": lambda one: run.predict({"x": [1.0, 2.0], "y": one}),
        "run.figures": lambda one: bunchtrain.evaluate(run, one), "run.generate": run.generate,
    }  # fmt: skip
    harmless = {"run.predict", "run.predict of y", "run.predict to", "run.predict of files"}
    for name, function in functions.items():
        for thing in THINGS:
            yield _call(f"{name}({str(thing)[:30]!r})", partial(function, thing), name in harmless)
    for given in OVERRIDES:
        yield _call(f"load('s.yaml', {given!r})", partial(bunchtrain.load, "s.yaml", given))
    for changes in (
        {"nosuch": 3}, {"model": 3}, {"model": print}, {"model": int}, {"model": {"name": 3}}, {"training": 3}, {"size": "nosuch"},
        {"size": 3}, {"targets": np.zeros(3)}, {"seed": -1}, {"source": object()}, {"representation": {"name": Path}},
    ):  # fmt: skip
        yield _call(f"load with {changes}"[:60], partial(bunchtrain.load, "s.yaml", **changes))
    for changes in (
        {"only": 3},
        {"only": ["nosuch"]},
        {"runs": 3},
        {"jobs": 0},
        {"jobs": "many"},
        {"again": ["nosuch"]},
    ):
        yield _call(f"run with {changes}", partial(bunchtrain.run, "s.yaml", **changes))
    for space in (3, "nosuch.yaml", [], {"nosuch": [1]}, {"training.epochs": 3}, "ab", {3: [1]}):
        yield _call(
            f"tune with {space!r}", partial(bunchtrain.tune, "s.yaml", space, engine="local")
        )
    for options in ({"nosuch": 1}, {"target": 3}, {"efficiencies": "many"}, {"efficiencies": []}):
        call = partial(bunchtrain.evaluate, run, "classification", **options)
        yield _call(f"evaluate with {options}", call)
    for data in (
        {"x": [1.0]}, {"x": [1.0], "y": [1.0, 2.0]}, {"x": ["a"], "y": ["b"]}, {"x": 1.0, "y": 2.0}, {"x": [[1.0]], "y": [[2.0]]},
        {"x": [None], "y": [None]}, np.zeros(3), np.zeros((3, 2)), {}, {1: [1.0], 2: [2.0]}, {"x": [1j], "y": [1j]},
        {"x": [object()], "y": [1.0]}, {"x": np.array(1.0), "y": np.array(1.0)}, {"x": [2**70], "y": [1]}, {"x": [], "y": []},
    ):  # fmt: skip
        yield _call(f"predict {str(data)[:50]}", partial(run.predict, data), accepted=True)


def _call(name: str, function: Callable[[], object], accepted: bool = False) -> Malformed:
    def prepare(folder: Path) -> Callable[[], object]:
        write_study(folder)
        (folder / "runs").mkdir()
        return function

    return Malformed("call in Python", name, prepare, accepted)
