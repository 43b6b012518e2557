"""Checks for NaN and infinity in the inputs, according to the policy of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from bunchtrain.batch import axis_of
from bunchtrain.errors import DataError

Policy = Literal["raise", "clip", "impute", "drop"]
#: Integer tensors, which are neither normalised nor checked.
INTEGERS = ("lengths", "edges", "children", "levels")


def check_finite(
    inputs: Mapping[str, Tensor],
    names: Mapping[str, Sequence[str]],
    entries: Sequence[int] | Tensor,
    policy: Policy,
) -> Tensor:
    """Return the indices of the events to keep (kept,), all of them unless the policy is `drop`.

    `inputs` are the tensors of a block, `names` those of their columns, `entries` the
    indices of the events in their source, for messages. Raises DataError, naming column and entry,
    if the policy is `raise` and a value is NaN or infinite.
    """
    events = len(entries)
    keep = torch.ones(events, dtype=torch.bool)
    if policy in ("raise", "drop"):
        for name, values in inputs.items():
            if name not in INTEGERS and not torch.isfinite(values).all():
                bad = ~torch.isfinite(values)
                event = _event_index(name, inputs, events)
                if policy == "raise":
                    raise _invalid_value_error(name, values, bad, names, entries, event)
                keep[event[bad.flatten(1).any(1)]] = False
    return torch.nonzero(keep).flatten()


def _event_index(name: str, inputs: Mapping[str, Tensor], events: int) -> Tensor:
    index = torch.arange(events)
    if axis_of(name) == "event":
        return index
    points = index.repeat_interleave(inputs["lengths"])
    return points if axis_of(name) == "point" else points[inputs["edges"][1]]


def _invalid_value_error(
    name: str,
    values: Tensor,
    bad: Tensor,
    names: Mapping[str, Sequence[str]],
    entries: Sequence[int] | Tensor,
    event: Tensor,
) -> DataError:
    row, column = torch.nonzero(bad)[0, :2].tolist()
    what = "NaN" if torch.isnan(values[row, column]).any() else "infinite"
    count = len(torch.unique(event[bad.flatten(1).any(1)]))
    return DataError(
        f"'{names[name][column]}' of '{name}' is {what} in entry {int(entries[int(event[row])])}"
        f" (and {count} of the {len(entries)} entries of this block have such values); set "
        "'invalid' to clip, impute or drop, or remove these events with 'select'"
    )
