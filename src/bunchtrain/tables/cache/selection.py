"""Event selection: from a chunk of the source to the events that a cache stores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import compact, to_table
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.tables.hashing import hash_ids
from bunchtrain.tables.labels import NO_CLASS, count_items, label_events
from bunchtrain.tables.splits._split import TRAIN
from bunchtrain.tables.weights import event_weights

#: Temporary columns: the bin in the spectra, and the sort key (uint64).
BIN, KEY = "__bin", "__key"


class Selection:
    """Applies a recipe to consecutive chunks; counts events and fills the weight spectra.

    first  index of the first row of the first chunk.
    """

    def __init__(self, recipe: Recipe, first: int = 0) -> None:
        self.recipe, self._first = recipe, first
        self.split = recipe.make_split()
        self.spectra = recipe.make_spectra()
        self.class_counts = {
            target.name: np.zeros((3, len(target.classes)), dtype=np.int64)
            for target in recipe.targets
            if target.classes and target.axis == "event" and not target.is_truth
        }
        # Of the training set: the points or edges of each class, or all of them; of an assignment
        # the particles whose items are all there.
        self.item_counts = {
            target.name: np.zeros(
                1 if target.identifier else len(target.classes) or 1, dtype=np.int64
            )
            for target in recipe.targets
            if target.axis != "event" or target.assignment
        }
        self.cutflow = dict.fromkeys(["read", *self._conditions()], 0)
        self._used = recipe.used_columns()
        self._first_rows = recipe.first_rows()
        if self._first_rows:
            self.cutflow["split"] = 0

    def __call__(self, chunk: ak.Array) -> pa.Table:
        """Return the selected events of the next chunk, with their sort keys."""
        read = self._first + self.cutflow["read"]
        self._entries = np.arange(read, read + len(chunk), dtype=np.int64)
        self._events = define(chunk, self.recipe.define, self._used)
        self.cutflow["read"] += len(chunk)
        if (text := self.recipe.select) is not None:
            self._apply("select", as_mask(Expression(text)(self._events), text))
        for target in self.recipe.targets:
            if target.name in self.class_counts:
                labels = label_events(target, self._events, self._entries)
                self._apply(f"targets.{target.name}", labels != NO_CLASS)
        weights = self._weights()
        sets = self.split.assign(self._events, self._entries, self.recipe.seed)
        if self._first_rows:
            together = self._first_sets() == sets
            self._apply("split", together)
            weights, sets = weights[together], sets[together]
        table = self._table(weights, sets)
        del self._events, self._entries  # not held while the next chunk is read
        return table

    def counts(self) -> dict[str, NDArray[Any]]:
        """Return all counts of the chunks, which are added up over the pieces of a table."""
        found: dict[str, NDArray[Any]] = {"cutflow": np.array([*self.cutflow.values()])}
        found |= {f"classes_{name}": one for name, one in self.class_counts.items()}
        found |= {f"items_{name}": one for name, one in self.item_counts.items()}
        return found | {"events": self.spectra.events}

    def add(self, counts: Mapping[str, NDArray[Any]], sums: NDArray[np.float64]) -> None:
        """Add the counts of a piece, and its sums of weights chunk by chunk: (chunks, class, bin).

        The sums of all chunks are added in their order, as if one process had read them.
        """
        for name, number in zip(self.cutflow, counts["cutflow"].tolist(), strict=True):
            self.cutflow[name] += number
        own = self.counts()
        for name in own.keys() - {"cutflow"}:
            own[name] += counts[name]
        for chunk in sums:
            self.spectra.sums += chunk

    def _first_sets(self) -> NDArray[np.int8]:
        """Return the set of the first row of each window, (windows,)."""
        first = self._events
        for name, column in self._first_rows.items():
            first = ak.with_field(first, self._events[column], name)
        return self.split.assign(first, self._entries, self.recipe.seed)

    def check(self) -> None:
        """Raise DataError, naming the condition, if no event passes."""
        before = self.cutflow["read"]
        if not before:
            raise DataError(self.recipe.source.why_empty)
        for condition, passed in self.cutflow.items():
            if not passed:
                raise DataError(
                    f"no event is selected: {self._conditions()[condition]} none of the "
                    f"{before:,} events that reach it; {self.cutflow['read']:,} were read"
                )
            before = passed

    def check_items(self) -> None:
        """Raise DataError if a target of points, edges or items has none in the training set.

        Or if all of them are of one class.
        """
        for target in self.recipe.targets:
            counts = self.item_counts.get(target.name)
            if counts is None:
                continue
            if not counts.any():
                what = "event with all items of a particle" if target.assignment else target.axis
                raise DataError(
                    f"{target.key}: the training set has no {what}; check the columns and 'select'"
                )
            present = np.flatnonzero(counts)
            if not target.is_truth and len(counts) > 1 and len(present) == 1:
                raise DataError(
                    f"{target.key}: each {target.axis} of the training set is of class "
                    f"'{target.classes[present[0]]}'; check the conditions of the classes"
                )

    def _conditions(self) -> dict[str, str]:
        recipe = self.recipe
        described = {} if recipe.select is None else {"select": f"'{recipe.select}' selects"}
        for target in recipe.targets:
            if target.name in self.class_counts:
                described[f"targets.{target.name}"] = f"the classes of '{target.name}' contain"
        if recipe.weights.get("negative") == "drop":
            described["weights.negative"] = "weights.negative: drop selects"
        if self.recipe.first_rows():
            described["split"] = "the sets of the split contain all rows of"
        return described

    def _apply(self, condition: str, mask: NDArray[np.bool_]) -> None:
        self._events, self._entries = self._events[mask], self._entries[mask]
        self.cutflow[condition] += len(self._entries)

    def _weights(self) -> NDArray[np.float64]:
        options = self.recipe.weights
        policy = options.get("negative", "raise")
        weights = event_weights(self._events, self._entries, options.get("event"), policy)
        if policy == "drop":
            valid = ~np.isnan(weights)
            self._apply("weights.negative", valid)
            weights = weights[valid]
        return weights

    def _table(self, weights: NDArray[np.float64], sets: NDArray[np.int8]) -> pa.Table:
        events, entries = self._events, self._entries
        labels = {t.name: label_events(t, events, entries) for t in self.recipe.targets}
        for target in self.recipe.targets:
            if target.name in self.item_counts:
                self.item_counts[target.name] += count_items(target, labels[target.name], sets)
        bins = self.spectra.bins(events, entries)
        for name, counts in self.class_counts.items():
            flat = sets.astype(np.int64) * counts.shape[1] + labels[name]  # int8 holds 127
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        train = sets == TRAIN
        none = np.zeros(len(sets), dtype=np.int64)
        first = next((labels[name] for name in self.class_counts), none)
        self.spectra.fill(first[train], bins[train], weights[train])
        # The set in the two highest bits, a random number below: sorting shuffles within each set.
        order = hash_ids(self.recipe.seed, "order", entries) >> np.uint64(2)
        keys = order | (sets.astype(np.uint64) << np.uint64(62))
        columns: dict[str, Any] = {n: compact(events[n]) for n in self.recipe.stored_columns}
        columns |= {f"target_{name}": values for name, values in labels.items()}
        columns |= {"entry": entries, "event_weight": weights.astype(np.float32)}
        return to_table(columns | {BIN: bins, KEY: keys})
