"""Rows of an object: one row for each jet, lepton or hit of an event, with the event's columns."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, nearest, one_of
from bunchtrain.tables.momentum_names import group_members, group_prefixes
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform

#: Columns of every row: the entry of its event in the source, and its index in the event.
EVENT, INDEX = "source_entry", "object_index"


class ObjectRows(Transform):
    """One row per object: `Jet` of lists `Jet_pt`, or `[jet1, jet2]` of columns `jet1_pt`.

    The columns of the objects keep their names, with the common prefix `jet` for a list of
    objects; lists of other groups and the columns of events are repeated in each row. Two columns
    are added: `source_entry`, the entry of the event, and `object_index`, the index in it.

    source   of events.
    objects  prefix of a group of lists, or the prefixes of several objects of an event.

    Raises DataError, naming the nearest, if there are no such columns.
    """

    def __init__(self, source: Table, objects: str | Sequence[str]) -> None:
        super().__init__(source)
        self.objects = objects
        available = source.fields()
        for added in (EVENT, INDEX):
            if added in available:
                raise DataError(f"rows: the column name '{added}' is reserved; rename it")
        prefixes = [objects] if isinstance(objects, str) else list(objects)
        self._members = [_members(prefix, available) for prefix in prefixes]
        if isinstance(objects, str):
            self.prefix = objects
            kept = {k: v for k, v in self._members[0].items() if available[v].startswith("var")}
            if not kept:
                raise DataError(
                    f"rows: the columns '{objects}_…' have one value per event; give the prefixes "
                    "of several objects, such as [jet1, jet2]"
                )
            self._members = [kept]
        else:
            self.prefix = _common_prefix(prefixes)
            shared = set.intersection(*(set(one) for one in self._members))
            self._members = [{k: one[k] for k in one if k in shared} for one in self._members]

        self.row = f"{source.row}.{self.prefix}"

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"rows {self.objects}"

    def names(self) -> dict[str, list[str]]:
        """Return column of a row → its column of each object in the source."""
        return {
            f"{self.prefix}_{suffix}": [one[suffix] for one in self._members]
            for suffix in self._members[0]
        }

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        available, own = self.source.fields(), self.names()
        used = {column for columns in own.values() for column in columns}
        found = {name: text for name, text in available.items() if name not in used}
        is_list = isinstance(self.objects, str)
        for name, columns in own.items():
            text = available[columns[0]]
            found[name] = text.removeprefix("var * ") if is_list else text
        return found | {EVENT: "int64", INDEX: "int64"}

    def units(self) -> dict[str, str]:
        """Return column → unit, of the objects under their common prefix."""
        known, own = self.source.units(), self.names()
        found = {name: known[columns[0]] for name, columns in own.items() if columns[0] in known}
        return {n: unit for n, unit in (known | found).items() if n in self.fields()}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows in the order of the events, as records of these columns."""
        for table, _ in self.blocks_of_events(columns, rows):
            for start in range(0, max(1, len(table)), rows):
                yield table[start : start + rows]

    def blocks_of_events(
        self, columns: Collection[str], events: int
    ) -> Iterator[tuple[ak.Array, NDArray[np.int64]]]:
        """Yield the rows of at most `events` whole events, and the number of each (events,)."""
        own, first = self.names(), 0
        needed = [c for name in columns if name in own for c in own[name]]
        needed += [name for name in columns if name not in own and name not in (EVENT, INDEX)]
        if isinstance(self.objects, str):
            needed.append(next(iter(self._members[0].values())))
        needed = list(dict.fromkeys(needed)) or list(self.source.fields())[:1]
        for block in self.source.blocks(needed, events):
            counts = self._counts(block)
            event, starts = np.repeat(np.arange(len(block)), counts), np.cumsum(counts) - counts
            made = {EVENT: first + event, INDEX: np.arange(len(event)) - starts[event]}
            for name in columns:
                if name in own:
                    made[name] = self._column(block, own[name])
                elif name not in made:
                    made[name] = block[name][event]
            first += len(block)
            yield ak.zip({name: made[name] for name in columns}, depth_limit=1), counts

    def by_event(self, columns: Mapping[str, Any], counts: NDArray[np.int64]) -> dict[str, Any]:
        """Return columns of rows, (rows,), as columns of events, in the order of their objects.

        `b` of the objects `Jet` is a column of lists `Jet_b`; `b` of `[jet1, jet2]` is one column
        for each, `jet1_b` and `jet2_b`.

        columns  name → values (rows,), or lists of values.
        counts   (events,) rows of each event.
        """
        if isinstance(self.objects, str):
            return {
                f"{self.objects}_{name}": ak.unflatten(ak.Array(values), counts)
                for name, values in columns.items()
            }
        return {
            f"{prefix}_{name}": values[index :: len(self.objects)]
            for index, prefix in enumerate(self.objects)
            for name, values in columns.items()
        }

    def _counts(self, events: ak.Array) -> NDArray[np.int64]:
        """Return the number of objects of each event, (events,)."""
        if not isinstance(self.objects, str):
            return np.full(len(events), len(self._members), np.int64)
        column = next(iter(self._members[0].values()))
        return np.asarray(ak.to_numpy(ak.num(events[column])), dtype=np.int64)

    def _column(self, events: ak.Array, columns: Sequence[str]) -> ak.Array:
        if isinstance(self.objects, str):
            return ak.flatten(events[columns[0]], axis=1)
        together = ak.concatenate([events[name][:, None] for name in columns], axis=1)
        return ak.flatten(together, axis=1)


def _members(prefix: str, available: Collection[str]) -> dict[str, str]:
    """Return suffix → column of the columns `prefix_…` or `prefix.…`."""
    found = group_members(prefix, available)
    if not found:
        prefixes = sorted(group_prefixes(available))
        hint = nearest(prefix, prefixes) or f"; there are {one_of(prefixes)}"
        raise DataError(f"rows: the data have no columns '{prefix}_…'{hint}")
    return found


def _common_prefix(prefixes: Sequence[str]) -> str:
    common = prefixes[0]
    for prefix in prefixes[1:]:
        while not prefix.startswith(common):
            common = common[:-1]
    return common.rstrip("_0123456789.") or "object"
