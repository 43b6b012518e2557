"""From a chunk of the source to the events that the cache holds."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import compact, to_table
from bunchtrain.tables.cache.external_sort import KEY
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.tables.hashing import hashed
from bunchtrain.tables.labels import NO_CLASS
from bunchtrain.tables.splits._split import TRAIN
from bunchtrain.tables.weights import event_weights

#: The column with the bins of the spectra, dropped when the weights are known.
BIN = "__bin"


class Selection:
    """Apply a recipe to chunks in turn, counting events and filling the spectra on the way."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.split = recipe.make_split()
        self.spectra = recipe.make_spectra()
        self.targets = recipe.make_targets()
        self.used = recipe.used()
        self.cutflow = dict.fromkeys(["read", *self._conditions()], 0)
        self.classes = {
            t.name: np.zeros((3, len(t.classes)), dtype=np.int64) for t in self.targets if t.classes
        }

    def __call__(self, chunk: ak.Array) -> pa.Table:
        """Return the events of the next chunk that are kept, with the keys of their order."""
        read = self.cutflow["read"]
        self._entries = np.arange(read, read + len(chunk), dtype=np.int64)
        self._events = define(chunk, self.recipe.define, self.used)
        self.cutflow["read"] += len(chunk)
        if (text := self.recipe.select) is not None:
            self._keep("select", as_mask(Expression(text)(self._events), text))
        self._keep_classes()
        weights = self._weights()
        sets = self.split.assign(self._events, self._entries, self.recipe.seed)
        return self._table(weights, sets)

    def check(self) -> None:
        """Raise DataError, naming the condition, if no event is left."""
        before = self.cutflow["read"]
        if not before:
            raise DataError("the source has no events")
        for condition, left in self.cutflow.items():
            if not left:
                raise DataError(
                    f"no event is left: {self._conditions()[condition]} none of the {before:,} "
                    f"events that came in; {self.cutflow['read']:,} were read"
                )
            before = left

    def _conditions(self) -> dict[str, str]:
        told = {} if self.recipe.select is None else {"select": f"'{self.recipe.select}' selects"}
        for target in self.targets:
            if target.classes:
                told[f"targets.{target.name}"] = f"the classes of '{target.name}' hold"
        if self.recipe.weights.get("negative") == "drop":
            told["weights.negative"] = "weights.negative: drop keeps"
        return told

    def _keep(self, condition: str, mask: NDArray[np.bool_]) -> None:
        self._events, self._entries = self._events[mask], self._entries[mask]
        self.cutflow[condition] += len(self._entries)

    def _keep_classes(self) -> None:
        for target in self.targets:
            if target.classes:
                found = target(self._events, self._entries)
                self._keep(f"targets.{target.name}", found != NO_CLASS)

    def _weights(self) -> NDArray[np.float64]:
        plain = self.recipe.weights
        policy = plain.get("negative", "refuse")
        weights = event_weights(self._events, self._entries, plain.get("event"), policy)
        if policy == "drop":
            kept = ~np.isnan(weights)
            self._keep("weights.negative", kept)
            weights = weights[kept]
        return weights

    def _table(self, weights: NDArray[np.float64], sets: NDArray[np.int8]) -> pa.Table:
        values = {t.name: t(self._events, self._entries) for t in self.targets}
        bins = self.spectra.bins(self._events, self._entries)
        self._count(values, bins, weights, sets)
        columns: dict[str, Any] = {n: compact(self._events[n]) for n in self.recipe.kept}
        columns |= {f"target_{name}": value for name, value in values.items()}
        columns |= {"entry": self._entries, "event_weight": weights.astype(np.float32)}
        return to_table(columns | {BIN: bins, KEY: self._keys(sets)})

    def _count(
        self,
        values: dict[str, NDArray[Any]],
        bins: NDArray[np.int32],
        weights: NDArray[np.float64],
        sets: NDArray[np.int8],
    ) -> None:
        for name, counts in self.classes.items():
            flat = sets * counts.shape[1] + values[name]
            counts += np.bincount(flat, minlength=counts.size).reshape(counts.shape)
        train = sets == TRAIN
        first = next((values[name] for name in self.classes), np.zeros(len(sets), dtype=np.int64))
        self.spectra.fill(first[train], bins[train], weights[train])

    def _keys(self, sets: NDArray[np.int8]) -> NDArray[np.uint64]:
        # The set in the two highest bits, a random number below: sorting shuffles within each set.
        order = hashed(self.recipe.seed, "order", self._entries) >> np.uint64(2)
        return order | (sets.astype(np.uint64) << np.uint64(62))
