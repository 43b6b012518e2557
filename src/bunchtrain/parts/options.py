"""Options of parts: keyword-only arguments of constructors, their types and descriptions."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from functools import cache
from typing import Any, TypeVar, cast

import pydantic
from pydantic.fields import FieldInfo

T = TypeVar("T")
_LOW = {"ge": "from", "gt": "above"}
_HIGH = {"le": "to", "lt": "to below"}


@dataclass(frozen=True)
class Options:
    """Base of frozen dataclasses of options that several parts share.

    A keyword-only argument annotated with a derived class stands for all of its fields, those of
    its bases included; the argument's default, an instance, gives their defaults.
    """


@dataclass(frozen=True)
class Option:
    """One option of a part, as a study may set it."""

    name: str
    type: str
    default: Any
    required: bool


def _cached(function: Callable[[type[Any]], T]) -> Callable[[type[Any]], T]:
    """Return a function that is called once for each part, with its types for the type checker."""
    return cast(Callable[[type[Any]], T], cache(function))


@dataclass(frozen=True)
class _Argument:
    hint: Any
    default: Any


@_cached
def options(part: type[Any]) -> Mapping[str, Option]:
    """Return name → option; groups of options are expanded into their fields."""
    found = {
        name: Option(
            name,
            _type_text(one.hint),
            None if one.default is MISSING else one.default,
            one.default is MISSING,
        )
        for name, one in _arguments(part).items()
    }
    return types.MappingProxyType(found)


@_cached
def option_model(part: type[Any]) -> type[pydantic.BaseModel]:
    """Return the pydantic model of a part's options, with the types and defaults of its signature.

    Bounds are given by the annotation, e.g. `Annotated[int, Field(ge=1, le=100)]`, of which
    `parts.ranges` has the usual ones. A list may be given as its single item.
    """
    arguments: dict[str, Any] = {
        name: (_list_or_item(found.hint), ... if found.default is MISSING else found.default)
        for name, found in _arguments(part).items()
    }
    config = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True, allow_inf_nan=False)
    model: type[pydantic.BaseModel] = pydantic.create_model(
        f"{part.__name__}Options", __config__=config, **arguments
    )
    return model


def option_docs(part: type[Any]) -> dict[str, str]:
    """Return option → its description in the docstrings, '' where there is none.

    Descriptions are read from `Args:` sections and from lines `name  description` in the docstrings
    of the class, its constructor, its bases and its groups of options.
    """
    documented = [owner for base in part.__mro__ for owner in (base, vars(base).get("__init__"))]
    documented += [base for group in _groups(part).values() for base in group.__mro__]
    found: dict[str, str] = {}
    for owner in documented:
        for block in paragraphs(getattr(owner, "__doc__", None) or ""):
            found = descriptions(block) | found
    return {name: found.get(name, "") for name in _arguments(part)}


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring."""
    return [block for block in re.split(r"\n\s*\n", inspect.cleandoc(text)) if block.strip()]


def descriptions(block: str) -> dict[str, str]:
    """Return name → description of a paragraph of `name  description` lines or `Args:`, else {}."""
    pattern = r"^(\w+(?:, \w+)*) {2,}(\S.*)$"
    if block.startswith("Args:"):
        block, pattern = inspect.cleandoc(block.removeprefix("Args:")), r"^(\w+): (.*)$"
    found: dict[str, str] = {}
    names: list[str] = []
    for line in block.splitlines():
        if start := re.match(pattern, line):
            names = start[1].split(", ")
            found |= dict.fromkeys(names, start[2])
        elif names and line.startswith(" "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            return {}
    return found


def group_options(part: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Return the constructor's arguments for values of all options: groups as instances."""
    arguments = dict(values)
    for argument, group in _groups(part).items():
        own = {field.name: arguments.pop(field.name) for field in fields(group)}
        arguments[argument] = group(**own)
    return arguments


def positional(part: type[Any]) -> tuple[str, ...]:
    """Return the names of the positional arguments, which the toolkit supplies."""
    arguments = inspect.signature(part).parameters.values()
    return tuple(a.name for a in arguments if a.kind is a.POSITIONAL_OR_KEYWORD)


def _arguments(part: type[Any]) -> dict[str, _Argument]:
    """Return option → its annotation and default, MISSING if it is required."""
    groups, hints, found = _groups(part), _hints(part.__init__), dict[str, _Argument]()
    for name, argument in inspect.signature(part).parameters.items():
        if argument.kind is not argument.KEYWORD_ONLY:
            continue
        default = MISSING if argument.default is argument.empty else argument.default
        if name in groups:
            found |= dict(_fields(groups[name], default))
        else:
            found[name] = _Argument(hints.get(name, Any), default)
    return found


def _fields(group: type[Options], instance: Any) -> Iterator[tuple[str, _Argument]]:
    hints = _hints(group)
    for field in fields(group):
        default = _default(field) if instance is MISSING else getattr(instance, field.name)
        yield field.name, _Argument(hints[field.name], default)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


@_cached
def _groups(part: type[Any]) -> dict[str, type[Options]]:
    """Return argument → the class of its group of options."""
    keyword_only = {
        name for name, a in inspect.signature(part).parameters.items() if a.kind is a.KEYWORD_ONLY
    }
    return {
        name: hint
        for name, hint in _hints(part.__init__).items()
        if name in keyword_only and inspect.isclass(hint) and issubclass(hint, Options)
    }


def _hints(owner: Any) -> dict[str, Any]:
    return typing.get_type_hints(owner, include_extras=True)


def _type_text(hint: Any) -> str:
    """Return a type as text, with the range of each number: `tuple[int from 1 to 9, ...]`."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type_text(inner[0]) + _range_text(bounds(hint))
    if origin in (typing.Union, types.UnionType):
        return " | ".join(map(_type_text, inner))
    if hint is types.NoneType:
        return "None"
    if hint is ...:
        return "..."
    if inspect.isclass(origin):
        return f"{origin.__name__}[{', '.join(map(_type_text, inner))}]"
    text = hint.__name__ if inspect.isclass(hint) else str(hint)
    return re.sub(r"\b(typing|collections\.abc|pathlib)\.", "", text)


def bounds(hint: Any) -> dict[str, float]:
    """Return `ge`, `gt`, `le` and `lt` of an annotated number, as far as they are given."""
    fields = (one for one in typing.get_args(hint)[1:] if isinstance(one, FieldInfo))
    return {
        key: getattr(constraint, key)
        for one in fields
        for constraint in one.metadata
        for key in ("ge", "gt", "le", "lt")
        if hasattr(constraint, key)
    }


def _range_text(found: Mapping[str, float]) -> str:
    low = [f"{word} {found[key]:,g}" for key, word in _LOW.items() if key in found]
    high = [f"{word} {found[key]:,.10g}" for key, word in _HIGH.items() if key in found]
    return " " + " ".join(low + high) if low or high else ""


def _as_list(value: object) -> object:
    """Return a single text or number as a list of it."""
    return [value] if isinstance(value, str | int | float) else value


def _list_or_item(hint: Any) -> Any:
    """Return the type of a list such that a single item is accepted, too; other types as given."""
    choices = [hint]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        choices = [one for one in typing.get_args(hint) if one is not types.NoneType]
    if len(choices) != 1 or not _is_list(choices[0]):
        return hint
    return typing.Annotated[hint, pydantic.BeforeValidator(_as_list)]


def _is_list(hint: Any) -> bool:
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[-1] is ...
    return typing.get_origin(hint) in (list, Sequence)
