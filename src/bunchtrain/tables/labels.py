"""Evaluation of targets: class indices or values of events and points, identifiers of points."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, ExpressionError
from bunchtrain.tables.expressions.expression import Expression, as_mask, as_real
from bunchtrain.tables.momentum_names import group_members
from bunchtrain.tables.splits._split import TRAIN
from bunchtrain.targets import Assignment, Target

#: Class index of an event that belongs to none of the classes.
NO_CLASS = -1


def label_events(
    target: Target, events: ak.Array, entries: NDArray[np.int64]
) -> NDArray[Any] | ak.Array:
    """Return the class indices (events,) int64 of a target, or its values (events, value) float32.

    Those of points and edges are lists, one of each event: class indices, or the identifier of each
    point, int64, or values (events, points, value) float32. Those of an assignment are the items of
    the roles, (events, role) int64, −1 where one is missing.

    Raises DataError, naming the entry, if an event or point belongs to two classes, a point to
    none, a value is not finite, or an item has two roles or does not exist.
    """
    if target.assignment:
        return _label_assignment(target, target.assignment, events, entries)
    if target.axis != "event":
        return _label_points(target, events, entries)
    if target.is_classification:
        return _class_indices(target, events, entries)
    where = target.key
    columns = [finite_values(events, text, where, entries) for text in target.expressions]
    return np.stack(columns, axis=1).astype(np.float32)


def count_items(target: Target, labels: Any, sets: NDArray[np.int8]) -> NDArray[np.int64]:
    """Return the number of points or edges of the training set, of each class if it has some.

    Of an assignment (1,) that of particles whose items are all there; of an identifier (1,) that of
    points.

    target  of points, edges or an assignment.
    labels  of `label_events`.
    sets    set of each event, (events,).
    """
    own = labels[sets == TRAIN]
    if target.assignment:
        spans = target.assignment.spans.values()
        whole = [(own[:, span[0] : span[-1] + 1] >= 0).all(1) for span in spans]
        return np.array([np.sum(whole)])
    counts = ak.to_numpy(ak.num(own))
    if not target.classes or target.identifier:
        return np.array([counts.sum()])
    return np.bincount(ak.to_numpy(ak.flatten(own)), minlength=len(target.classes))


def _class_indices(
    target: Target, events: ak.Array, entries: NDArray[np.int64]
) -> NDArray[np.int64]:
    masks = [_mask(events, text, target.key) for text in target.expressions]
    in_class = np.stack(masks, axis=1)  # (events, class)
    if (ambiguous := np.flatnonzero(in_class.sum(1) > 1)).size:
        names = np.array(target.classes)[in_class[ambiguous[0]]]
        raise DataError(
            f"{target.key}, entry {entries[ambiguous[0]]}: the event is in the classes "
            f"{' and '.join(map(repr, names[:3].tolist()))}; make the conditions exclude each other"
        )
    return np.where(in_class.any(1), in_class.argmax(1), NO_CLASS)


def _label_points(target: Target, events: ak.Array, entries: NDArray[np.int64]) -> ak.Array:
    """Return the labels of points, a list for each event."""
    where = target.key
    texts = [target.identifier] if target.identifier else list(target.expressions)
    lists = [_lists(Expression(text)(events), text, where) for text in texts]
    counts = ak.to_numpy(ak.num(lists[0]))
    for text, values in zip(texts, lists, strict=True):
        if np.any(ak.to_numpy(ak.num(values)) != counts):
            raise DataError(f"{where}: '{text}' has lists of other lengths than '{texts[0]}'")
    _require_group(target, texts, events, counts, entries)
    entry = np.repeat(entries, counts)
    point = np.arange(len(entry)) - np.repeat(np.cumsum(counts) - counts, counts)
    flat = [ak.to_numpy(ak.flatten(values)) for values in lists]
    if target.identifier:
        if flat[0].dtype.kind not in "iu":
            require_finite(flat[0], f"{where}: '{texts[0]}'", entry, point)
            key = "same" if target.same else "ids"
            raise DataError(
                f"{where}.{key}: '{texts[0]}' must be an integer for each point; round it"
            )
        return ak.unflatten(flat[0].astype(np.int64), counts)
    if not target.classes:
        for text, values in zip(texts, flat, strict=True):
            require_finite(values, f"{where}: '{text}'", entry, point)
        return ak.unflatten(np.stack(flat, axis=1).astype(np.float32), counts)
    if any(values.dtype.kind != "b" for values in flat):
        raise DataError(
            f"{where}: a class of points needs a condition on each point, as in 'x > 0'"
        )
    in_class = np.stack(flat, axis=1)  # (points, class)
    if (wrong := np.flatnonzero(in_class.sum(1) != 1)).size:
        names = np.array(target.classes)[in_class[wrong[0]]].tolist()
        found = f"in the classes {' and '.join(map(repr, names[:3]))}" if names else "in no class"
        raise DataError(
            f"{where}, entry {entry[wrong[0]]}: a point is {found}; each point needs one, change "
            "the conditions or add a class for the others"
        )
    return ak.unflatten(in_class.argmax(1), counts)


def _require_group(
    target: Target,
    texts: list[str],
    events: ak.Array,
    counts: NDArray[np.int64],
    entries: NDArray[np.int64],
) -> None:
    """Raise DataError, naming the entry, if no other column of the group has lists as long."""
    if not target.group:
        return
    read = set().union(*(Expression(text).columns for text in texts))
    members = [n for n in group_members(target.group, events.fields).values() if n not in read]
    others = [ak.to_numpy(ak.num(events[n])) for n in members if events[n].ndim == 2]
    wrong = [np.flatnonzero(one != counts) for one in others]
    if wrong and all(one.size for one in wrong):
        at = wrong[0][0]
        raise DataError(
            f"{target.key}, entry {entries[at]}: '{texts[0]}' has {counts[at]} items, and the "
            f"group '{target.group}' has {others[0][at]}; use columns of that group"
        )


def _label_assignment(
    target: Target, assignment: Assignment, events: ak.Array, entries: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the item of each role, (events, role), −1 where it is missing."""
    where, group = target.key, assignment.group
    given = [finite_values(events, text, where, entries) for text in target.expressions]
    items = np.stack(given, axis=1)
    if (wrong := np.argwhere(items != np.floor(items))).size:
        event, role = wrong[0]
        raise DataError(
            f"{where}, entry {entries[event]}: '{target.expressions[role]}' is "
            f"{items[event, role]:g} and must be the index of an item of '{group}'"
        )
    indices: NDArray[np.int64] = np.where(items < 0, -1, items).astype(np.int64)
    counts = _group_counts(events, group, where)
    if (wrong := np.argwhere(indices >= counts[:, None])).size:
        event, role = wrong[0]
        raise DataError(
            f"{where}, entry {entries[event]}: '{target.expressions[role]}' is "
            f"{indices[event, role]}, and the event has {counts[event]} items of '{group}', "
            "counted from 0; give −1 for one that is missing"
        )
    for second in range(indices.shape[1]):
        for first in range(second):
            twice = (indices[:, first] == indices[:, second]) & (indices[:, first] >= 0)
            if (bad := np.flatnonzero(twice)).size:
                names = assignment.roles
                raise DataError(
                    f"{where}, entry {entries[bad[0]]}: item {indices[bad[0], first]} of '{group}' "
                    f"is both '{names[first]}' and '{names[second]}'; an item has one role, give "
                    "−1 where it is ambiguous"
                )
    return indices


def _group_counts(events: ak.Array, group: str, where: str) -> NDArray[np.int64]:
    """Return the number of items of a group in each event, (events,)."""
    others = [n for n in events.fields if n.startswith(group) or n.endswith(f"_{group}")]
    for column in [*group_members(group, events.fields).values(), *others]:
        if events[column].ndim == 2:
            return np.asarray(ak.to_numpy(ak.num(events[column])))
    raise DataError(
        f"{where}.on: the events have no lists of the group '{group}'; name the group of the "
        "representation"
    )


def _lists(values: ak.Array, text: str, where: str) -> ak.Array:
    if values.ndim != 2:
        raise DataError(
            f"{where}: '{text}' must give a list for each event, one item per point; use columns "
            "of the points, or leave out 'on'"
        )
    return values


def _mask(events: ak.Array, text: str, where: str) -> NDArray[np.bool_]:
    """Return a condition on each event; ExpressionError names its key."""
    values = Expression(text)(events)
    try:
        return as_mask(values, text)
    except ExpressionError as problem:
        raise ExpressionError(f"{where}: {problem}") from None


def finite_values(
    events: ak.Array, text: str, where: str, entries: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values of an expression, (events,).

    Raises DataError, naming expression and entry, if one is NaN or infinite.
    """
    found = Expression(text)(events)
    try:
        values = as_real(found, text)
    except ExpressionError as problem:
        raise ExpressionError(f"{where}: {problem}") from None
    require_finite(values, f"{where}: '{text}'", entries)
    return values


def require_finite(
    values: NDArray[np.float64],
    where: str,
    entries: NDArray[np.int64],
    points: NDArray[np.int64] | None = None,
) -> None:
    """Raise DataError, naming column, entry and point, if a value is NaN or infinite.

    entries  (values,) entry of each.
    points   (values,) index of each in its event, None for values of events.
    """
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        point = "" if points is None else f", point {points[bad[0]]}"
        raise DataError(
            f"{where} is {values[bad[0]]} at entry {entries[bad[0]]}{point}; "
            "exclude such events with 'select'"
        )
