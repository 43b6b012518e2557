"""The recipe of a cache: everything that decides what is in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.tables.expressions.expression import Expression, required_columns
from bunchtrain.tables.labels import Target
from bunchtrain.tables.source import Source
from bunchtrain.tables.splits._split import Split
from bunchtrain.tables.weights import Spectra

#: Changes whenever the same recipe would give other files.
VERSION = 1

#: Columns that the cache itself makes.
MADE = ("entry", "weight", "event_weight")


@dataclass(frozen=True)
class Recipe:
    """What a study asks of its events, as plain data.

    define      column → expression, in order.
    select      condition, or None.
    targets     name → {"classes": {class: condition}} or {"values": [expression]}.
    weights     {"event", "balance", "reweight", "negative"}, as in the study.
    split       {"name": "fraction", ...}: the split and its options.
    columns     columns kept for representations; `spectators` are kept beside the predictions.
    """

    source: Source
    targets: Mapping[str, Mapping[str, Any]]
    define: Mapping[str, str] = field(default_factory=dict)
    select: str | None = None
    weights: Mapping[str, Any] = field(default_factory=dict)
    split: Mapping[str, Any] = field(default_factory=lambda: {"name": "fraction"})
    columns: Collection[str] = ()
    spectators: Collection[str] = ()
    seed: int = 1

    @property
    def kept(self) -> list[str]:
        """The source's and defined columns that the cache holds, sorted."""
        return sorted({*self.columns, *self.spectators})

    def key(self) -> str:
        """Return the hash of the recipe and of the content of its source."""
        plain = {
            "version": VERSION,
            "source": self.source.fingerprint(),
            "targets": self.targets,
            "define": self.define,
            "select": self.select,
            "weights": self.weights,
            "split": self.split,
            "kept": self.kept,
            "seed": self.seed,
        }
        text = json.dumps(plain, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def make_targets(self) -> list[Target]:
        """Return the targets."""
        return [Target.of(name, plain) for name, plain in self.targets.items()]

    def make_split(self) -> Split:
        """Return the split.

        Raises StudyError if there is none of that name or an option is wrong.
        """
        options = {key: value for key, value in self.split.items() if key != "name"}
        made: Split = parts.build("split", str(self.split["name"]), options, where="split")
        return made

    def make_spectra(self) -> Spectra:
        """Return empty spectra for the classes of the first target that has any."""
        classes = next((list(t.classes) for t in self.make_targets() if t.classes), [])
        weights = self.weights
        return Spectra(classes, weights.get("reweight"), bool(weights.get("balance", False)))

    def used(self) -> set[str]:
        """Return the columns that anything here looks at, from the source or defined."""
        texts = [text for target in self.make_targets() for text in target.texts]
        texts += [text for text in (self.select, self.weights.get("event")) if text is not None]
        names = {*self.kept, *self.make_split().columns(), *self.make_spectra().variables}
        return names.union(*(Expression(text).columns for text in texts))

    def reads(self) -> list[str]:
        """Return the columns that are read from the source, sorted.

        Raises DataError, naming the nearest, if the source lacks one.
        """
        names = required_columns(self.define, (f"column({name!r})" for name in self.used()))
        self._check(names)
        return sorted(names)

    def _check(self, needed: Collection[str]) -> None:
        taken = [name for name in self.kept if name in MADE or name.startswith("target_")]
        if taken:
            raise StudyError(
                f"the column '{taken[0]}' has a name that the cache uses itself; "
                "give it another one with 'define'"
            )
        available = self.source.fields()
        for name in sorted(needed):
            if name not in available:
                raise DataError(f"the source has no column '{name}'{nearest(name, available)}")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, set | frozenset):
        return sorted(value)
    return list(value) if hasattr(value, "__iter__") else repr(value)
