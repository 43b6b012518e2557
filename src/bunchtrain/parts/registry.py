"""Look-up of parts by kind and name, validation of their options, and construction."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from pathlib import Path
from typing import Any

import pydantic

from bunchtrain.errors import StudyError, nearest, one_of, shorten
from bunchtrain.parts import messages
from bunchtrain.parts.options import group_options, option_model, options
from bunchtrain.parts.own import is_any_loaded, is_own, load_class

#: Folder of the package `bunchtrain`.
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Kind:
    """A kind of part.

    packages  that hold its parts, one a file.
    base      `module:class` that a part derives from, or several with `|` between them.
    method    that a part must have, '' if the base has it.
    reserved  keys of a study next to the part's name, which no option may have.
    """

    packages: tuple[str, ...]
    base: str
    method: str = ""
    reserved: tuple[str, ...] = ("name",)


KINDS: dict[str, Kind] = {
    "source": Kind(("tables.sources", "simulation"), "tables.table:Table"),
    "split": Kind(("tables.splits",), "tables.splits._split:Split"),
    "representation": Kind(("representations",), "representations._representation:Representation"),
    "model": Kind(
        ("networks", "networks.fitted", "networks.quantised"), "torch.nn:Module", "forward"
    ),
    "method": Kind(("methods.unsupervised",), "methods.unsupervised._method:Method"),
    "loss": Kind(("heads", "penalties"), "heads._loss:Loss", reserved=("name", "target", "weight")),
    "engine": Kind(("training.engines",), "builtins:object", "run"),
    "executor": Kind(("workflow.executors",), "workflow.executors._executor:Executor", "endings"),
    "systematic": Kind(("systematics",), "systematics._systematic:Systematic"),
    "posterior": Kind(("uncertainty.posteriors",), "uncertainty.posterior:Posterior"),
    "calibration": Kind(("uncertainty.calibrations",), "uncertainty.calibration:Calibration"),
    "transform": Kind(
        ("transforms",),
        "tables.transforms._transform:Transform|transforms._clustering:Clustering",
    ),
    "evaluation": Kind(("evaluations",), "evaluations._evaluation:Evaluation"),
    "environment": Kind(("environments",), "builtins:object", "step"),
    "policy": Kind(("policies",), "policies._policy:Policy"),
    "workflow": Kind(("study.workflows",), "study.workflows._workflow:Workflow"),
    "export": Kind(("deployment.targets",), "deployment.export:ExportTarget"),
}


#: Kind → name of a part in release 0.1 → its name; trained models of that release have the old one.
RENAMED: dict[str, dict[str, str]] = {
    "representation": {
        "cloud": "point_cloud",
        "leading": "leading_particles",
        "lund_words": "lund_plane_counts",
    }
}

#: Kind → part → option in release 0.1 → its name, None if it was removed; trained models of that
#: release have the old one.
RENAMED_OPTIONS: dict[str, dict[str, dict[str, str | None]]] = {
    "loss": {
        name: {"inner": "steps", "inner_rate": None}
        for name in ("adversary", "reweighting_adversary")
    }
}


def rename_options(kind: str, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a part with the names of today."""
    new = RENAMED_OPTIONS.get(kind, {}).get(name, {})
    named = {new.get(key, key): value for key, value in values.items()}
    return {key: value for key, value in named.items() if key is not None}


@cache
def locate(kind: str) -> dict[str, str]:
    """Return name → `module:class` of every part of a kind, without importing them."""
    places = {}
    for package in KINDS[kind].packages:
        folder = ROOT / package.replace(".", "/")
        for module in pkgutil.iter_modules([str(folder)]):
            if not module.ispkg and not module.name.startswith("_"):
                places[module.name] = f"bunchtrain.{package}.{module.name}:"
    for entry in _entry_points().select(group=f"bunchtrain.{kind}"):
        places[entry.name] = entry.value
    return places


@cache
def _entry_points() -> EntryPoints:
    """Return the parts of all installed packages, whose search takes a while."""
    found = entry_points()
    groups = (name for name in found.groups if name.startswith("bunchtrain."))
    return EntryPoints(one for name in groups for one in found.select(group=name))


@dataclass
class Process:
    """What this process is.

    is_command  whether it is a command of the toolkit, not a program or notebook of a user.
    """

    is_command: bool = False

    def runs_toolkit_alone(self) -> bool:
        """Return whether it runs no other code: no user's parts and none of other packages."""
        return self.is_command and not _entry_points() and not is_any_loaded()


PROCESS = Process()


def find(kind: str, name: str) -> type[Any]:
    """Return the class of a part.

    Raises StudyError, naming the nearest part, if the kind has none of that name, and for a file
    of the user's that does not hold a part of this kind.
    """
    if is_own(name):
        return _own_part(kind, name)
    places, name = locate(kind), RENAMED.get(kind, {}).get(name, name)
    if name not in places:
        known = nearest(name, places) or f"; there are {one_of(places)}"
        if "/" in name or ".py" in name:
            known = "; name a class in a file as './my_file.py:MyClass'"
        raise StudyError(f"there is no {kind} named '{shorten(name, plain=True)}'{known}")
    path, _, attribute = places[name].partition(":")
    module = importlib.import_module(path)
    if attribute:
        found: type[Any] = getattr(module, attribute)
        return found
    wanted = name.replace("_", "")
    for attribute, value in vars(module).items():
        if inspect.isclass(value) and attribute.lower() == wanted:
            return value
    raise ImportError(f"{module.__name__} holds no class named as its file")


def _own_part(kind: str, name: str) -> type[Any]:
    """Return the class of a user's file after checks of its base, methods and options."""
    part, wanted, label = load_class(name), KINDS[kind], short_name(name)
    places = [_place(text) for text in wanted.base.split("|")]
    bases = [getattr(importlib.import_module(module), name) for module, name in places]
    base = next((one for one in bases if issubclass(part, one)), None)
    if base is None:
        named = " or ".join(".".join(place) for place in places)
        raise StudyError(f"{name} is no {kind}: derive the class from {named}")
    own = getattr(part, wanted.method, None) if wanted.method else part
    if own is None or own is getattr(base, wanted.method or "", None) or inspect.isabstract(part):
        missing = sorted(getattr(part, "__abstractmethods__", ())) or [wanted.method]
        raise StudyError(f"{name} is no {kind}: it lacks the method {', '.join(missing)}")
    try:
        own_options = options(part)
    except NameError as problem:
        raise StudyError(f"{name}: an annotation of __init__ is not known: {problem}") from None
    for option in own_options:
        if option in wanted.reserved:
            raise StudyError(
                f"{name}: the option '{option}' of {kind} '{label}' has the name of a key of the "
                "study; rename it"
            )
    return part


def _place(base: str) -> tuple[str, str]:
    """Return module and class of a base, `module:class`."""
    module, _, attribute = base.partition(":")
    return module if module in ("builtins", "torch.nn") else f"bunchtrain.{module}", attribute


def short_name(name: str) -> str:
    """Return a part's name for folders and tables: `my_network` for `./mine.py:MyNetwork`."""
    if not is_own(name):
        return name
    word = name.rpartition(":")[2]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", word).lower()


def validate(kind: str, name: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options of a part in their declared types.

    `where` is the key of the study for messages, e.g. `models.pfn.model`.
    Raises StudyError for an unknown part, an unknown option or a value of the wrong type.
    """
    try:
        part = find(kind, name)
    except StudyError as problem:
        raise StudyError(f"{where}: {problem}") from None
    known, label = options(part), f"{where}: '{short_name(name)}'"
    for key in values:
        if key not in known:
            hint = nearest(key, known) or f"; its options are {one_of(known) or 'none'}"
            raise StudyError(f"{label} has no option '{shorten(key, plain=True)}'{hint}")
    try:
        checked = option_model(part)(**values)
    except pydantic.ValidationError as problem:
        key, text = messages.describe(problem, values)
        if text == "is missing":
            raise StudyError(f"{label} needs the option '{key}'") from None
        raise StudyError(f"{where}.{key}: {text}") from None
    return {key: getattr(checked, key) for key in known}


def build(kind: str, name: str, values: Mapping[str, Any], *given: Any, where: str = "") -> Any:
    """Return a part, made from the arguments that the toolkit supplies and the study's options."""
    values = rename_options(kind, name, values)
    part, chosen = find(kind, name), validate(kind, name, values, where or kind)
    return part(*given, **group_options(part, chosen))
