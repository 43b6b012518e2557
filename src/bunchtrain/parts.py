"""Finding a part by its name and knowing its options.

A part is one class in one file of its kind's package: `models/particle_net.py` holds `ParticleNet`
and a study names it `particle_net`. Its options are the keyword-only arguments of its constructor,
so that they are written once; what comes before them positionally is given by the toolkit. Other
packages add parts through the entry-point groups `bunchtrain.model`, `bunchtrain.loss`, ...
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import pydantic

from bunchtrain.errors import StudyError, nearest, one_of

PACKAGES: dict[str, tuple[str, ...]] = {
    "source": ("bunchtrain.tables.sources", "bunchtrain.simulation"),
    "split": ("bunchtrain.tables.splits",),
    "representation": ("bunchtrain.representations",),
    "model": ("bunchtrain.networks", "bunchtrain.networks.fitted", "bunchtrain.networks.quantised"),
    "loss": ("bunchtrain.heads", "bunchtrain.penalties"),
    "engine": ("bunchtrain.training.engines",),
    "systematic": ("bunchtrain.systematics",),
    "posterior": ("bunchtrain.uncertainty.posteriors",),
    "calibration": ("bunchtrain.uncertainty.calibrations",),
    "export": ("bunchtrain.deployment.targets",),
}


@dataclass(frozen=True)
class Option:
    """One keyword argument of a part, as a study may set it."""

    name: str
    type: str
    default: Any
    required: bool


@cache
def locate(kind: str) -> dict[str, str]:
    """Return for every part of a kind the `module:class` that holds it, without importing it."""
    places = {}
    for package in PACKAGES[kind]:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not module.ispkg and not module.name.startswith("_"):
                places[module.name] = f"{package}.{module.name}:"
    for entry in entry_points(group=f"bunchtrain.{kind}"):
        places[entry.name] = entry.value
    return places


@cache
def find(kind: str, name: str) -> type[Any]:
    """Return the class of a part.

    Raises StudyError, naming the nearest part, if the kind has none of that name.
    """
    places = locate(kind)
    if name not in places:
        known = nearest(name, places) or f"; there are {one_of(places)}"
        raise StudyError(f"there is no {kind} named '{name}'{known}")
    path, _, attribute = places[name].partition(":")
    module = importlib.import_module(path)
    return getattr(module, attribute) if attribute else _only_class(module, name)


def _only_class(module: Any, name: str) -> type[Any]:
    wanted = name.replace("_", "")
    for attribute, value in vars(module).items():
        if inspect.isclass(value) and attribute.lower() == wanted:
            return value
    raise ImportError(f"{module.__name__} holds no class named as its file")


def options(part: type[Any]) -> dict[str, Option]:
    """Return the options of a part: the keyword-only arguments of its constructor."""
    hints = _hints(part)
    return {
        name: Option(
            name,
            _readable(hints.get(name, Any)),
            None if argument.default is argument.empty else argument.default,
            argument.default is argument.empty,
        )
        for name, argument in inspect.signature(part).parameters.items()
        if argument.kind is argument.KEYWORD_ONLY
    }


def given(part: type[Any]) -> tuple[str, ...]:
    """Return the names of the positional arguments, which the toolkit fills in."""
    arguments = inspect.signature(part).parameters.values()
    return tuple(a.name for a in arguments if a.kind is a.POSITIONAL_OR_KEYWORD)


def _hints(part: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(part.__init__)


def _readable(hint: Any) -> str:
    text = hint.__name__ if inspect.isclass(hint) and not typing.get_args(hint) else str(hint)
    return re.sub(r"\b(typing|collections\.abc|pathlib)\.", "", text)


def option_model(part: type[Any]) -> type[pydantic.BaseModel]:
    """Return the pydantic model of a part's options: types and defaults from its signature."""
    hints = _hints(part)
    fields: dict[str, Any] = {}
    for name, option in options(part).items():
        fields[name] = (hints.get(name, Any), ... if option.required else option.default)
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    return pydantic.create_model(f"{part.__name__}Options", __config__=config, **fields)


def validate(kind: str, name: str, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the options of a part in their declared types.

    `where` is the key of the study that is told to the user, as `models.pfn.model`.
    Raises StudyError for an unknown part, an unknown option or a value of the wrong type.
    """
    part = find(kind, name)
    known = options(part)
    for key in values:
        if key not in known:
            hint = nearest(key, known) or f"; its options are {one_of(known) or 'none'}"
            raise StudyError(f"{where}: {kind} '{name}' has no option '{key}'{hint}")
    try:
        checked = option_model(part)(**values)
    except pydantic.ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join([where, *map(str, first["loc"])])
        raise StudyError(f"{key}: {first['msg'].lower()}, got {first['input']!r}") from None
    return {key: getattr(checked, key) for key in known}


def build(kind: str, name: str, values: Mapping[str, Any], *sizes: Any, where: str = "") -> Any:
    """Return a part, made from what the toolkit gives (`sizes`) and the study's options."""
    return find(kind, name)(*sizes, **validate(kind, name, values, where or kind))


def paper(part: type[Any]) -> str:
    """Return the arXiv number in a part's documentation, or ''."""
    text = (part.__doc__ or "") + (inspect.getmodule(part).__doc__ or "")
    found = re.search(r"\b(\d{4}\.\d{4,5}|hep-(?:ph|ex)/\d{7}|[a-z]+-[a-z]+/\d{7})\b", text)
    return found.group(0) if found else ""


def summary(part: type[Any]) -> str:
    """Return the first sentence of a part's documentation."""
    text = inspect.getdoc(part) or inspect.getdoc(inspect.getmodule(part)) or ""
    return re.split(r"(?<=\.)\s", " ".join(text.split()), maxsplit=1)[0]
