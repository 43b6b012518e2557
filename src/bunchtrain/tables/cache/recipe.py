"""The recipe of an event cache: everything that determines its content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.tables.expressions.expression import (
    Expression,
    needed_definitions,
    required_columns,
)
from bunchtrain.tables.splits._split import Split
from bunchtrain.tables.table import Table
from bunchtrain.tables.weights import Spectra
from bunchtrain.targets import Target

#: Changes whenever the same recipe would give other files.
VERSION = 1

#: Options of the weights that the content of a cache depends on.
WEIGHTS = ("event", "balance", "reweight", "negative")

#: Columns that the cache itself adds.
RESERVED = ("entry", "weight", "event_weight")


@dataclass(frozen=True)
class Recipe:
    """How the events of a study are selected, labelled, weighted and split.

    targets     with their expressions.
    define      column → expression, in order.
    select      condition, or None.
    weights     the options WEIGHTS, as in the study.
    split       {"name": "fraction", ...}: the split and its options.
    columns     columns stored for representations; `spectators` are stored for the predictions.
    """

    source: Table
    targets: Sequence[Target]
    define: Mapping[str, str] = field(default_factory=dict)
    select: str | None = None
    weights: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=lambda: {"name": "fraction"})
    columns: Collection[str] = ()
    spectators: Collection[str] = ()
    seed: int = 1

    @property
    def stored_columns(self) -> list[str]:
        """The columns of the source and of `define` that the cache stores, sorted."""
        return sorted({*self.columns, *self.spectators})

    def key(self) -> str:
        """Return the hash of the recipe and of the content of its source."""
        weights = {name: self.weights[name] for name in WEIGHTS if name in self.weights}
        if weights.get("negative") == "raise":
            weights["negative"] = "refuse"  # former name, which keeps the keys of existing caches
        if weights.get("reweight"):
            weights["bounded"] = True  # the limit holds for the factors: not so in release 0.1
        content = {
            "version": VERSION,
            "source": self.source.fingerprint(),
            "targets": {target.name: _expressions(target) for target in self.targets},
            "define": self.define,
            "select": self.select,
            "weights": weights,
            "split": self.split,
            "kept": self.stored_columns,
            "seed": self.seed,
        }
        text = json.dumps(content, default=_as_json)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def make_split(self) -> Split:
        """Return the split.

        Raises StudyError if there is none of that name or an option is wrong.
        """
        options = {key: value for key, value in self.split.items() if key != "name"}
        made: Split = parts.build("split", str(self.split["name"]), options, where="split")
        return made

    def make_spectra(self) -> Spectra:
        """Return empty spectra for the classes of the first classification target."""
        known = [t for t in self.targets if t.axis == "event" and not t.is_truth]
        classes = next((t.classes for t in known if t.classes), ())
        weights = self.weights
        return Spectra(classes, weights.get("reweight"), bool(weights.get("balance", False)))

    def used_columns(self) -> set[str]:
        """Return all columns that the recipe uses, of the source or defined."""
        return set().union(*self._columns_of_keys().values())

    def _columns_of_keys(self) -> dict[str, set[str]]:
        """Return key of the study → the columns that it uses, of the source or defined."""
        found = {"": {*self.columns}, "spectators": {*self.spectators}}
        found["split"] = {*self.make_split().columns()}
        found["weights.reweight"] = {*self.make_spectra().variables}
        texts = {target.key: [*target.expressions] for target in self.targets}
        for target in self.targets:
            texts[target.key] += [target.identifier] if target.identifier else []
        for key, text in {
            "select": self.select,
            "weights.event": self.weights.get("event"),
        }.items():
            texts[key] = [text] if text is not None else []
        for key, given in texts.items():
            found[key] = set().union(*(Expression(text).columns for text in given))
        return found

    def _reader(self, column: str) -> str:
        """Return the key of the study that reads a column, `targets.t: `, '' if unknown."""
        own = {f"define.{name}": Expression(text).columns for name, text in self.define.items()}
        keys = [key for key, names in {**self._columns_of_keys(), **own}.items() if column in names]
        return f"{keys[0]}: " if keys and keys[0] else ""

    def unused_definitions(self) -> list[str]:
        """Return the columns of `define` that nothing uses."""
        used = needed_definitions(self.define, self.used_columns())
        return [name for name in self.define if name not in used]

    def first_rows(self) -> dict[str, str]:
        """Return column of the split → that of the first row of a window, {} without windows."""
        names = self.make_split().columns()
        found = {name: self.source.first_row(name) for name in names}
        return {name: first for name, first in found.items() if first is not None}

    def source_columns(self) -> list[str]:
        """Return the columns that are read from the source, sorted.

        Raises DataError, naming the nearest, if the source lacks one, and StudyError if a stored
        column has a name that the cache uses.
        """
        for name in self.stored_columns:
            if name in RESERVED or name.startswith("target_"):
                raise StudyError(
                    f"the column name '{name}' is reserved by the cache; "
                    "choose another name with 'define'"
                )
        texts = (f"column({name!r})" for name in self.used_columns())
        names = sorted(required_columns(self.define, texts))
        available = self.source.fields()
        for name in names:
            if name not in available:
                hint = nearest(name, available) or f"; it has {one_of(available)}"
                raise DataError(f"{self._reader(name)}the source has no column '{name}'{hint}")
        return [*names, *self.first_rows().values()]


def _expressions(target: Target) -> dict[str, Any]:
    if target.assignment:
        shape: dict[str, Any] = {"roles": target.assignment.roles, "on": target.assignment.group}
        return shape | {"items": list(target.expressions), "truth": target.is_truth}
    if target.axis != "event" or target.is_truth:
        shape = {"axis": target.axis, "same": target.same, "truth": target.is_truth}
        shape |= {"ids": target.ids} if target.ids else {}
        return shape | _labels(target)
    return _labels(target)


def _labels(target: Target) -> dict[str, Any]:
    if target.is_classification:
        return {"classes": dict(zip(target.classes, target.expressions, strict=False))}
    return {"values": list(target.expressions)}


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return list(value) if hasattr(value, "__iter__") else repr(value)
