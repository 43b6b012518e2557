"""NaN and infinity in the inputs: refused, or the events left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from bunchtrain.batch import POINTWISE
from bunchtrain.errors import DataError

Policy = Literal["refuse", "clip", "impute", "drop"]
#: Tensors of whole numbers, which are neither normalised nor looked at.
INTEGERS = ("lengths", "edges", "children", "levels")


def check_finite(
    inputs: Mapping[str, Tensor],
    names: Mapping[str, Sequence[str]],
    entries: Sequence[int] | Tensor,
    policy: Policy,
) -> Tensor:
    """Return the numbers of the events to keep (kept,), all of them unless the policy is `drop`.

    `inputs` are the tensors of a block, `names` those of their columns, `entries` the entry
    numbers of the events, told to the user. Raises DataError, naming column and entry, if the
    policy is `refuse` and a value is NaN or infinite.
    """
    events = len(entries)
    keep = torch.ones(events, dtype=torch.bool)
    if policy in ("refuse", "drop"):
        for name, values in inputs.items():
            if name not in INTEGERS and not torch.isfinite(values).all():
                bad = ~torch.isfinite(values)
                event = _event_numbers(name, inputs, events)
                if policy == "refuse":
                    raise _refusal(name, values, bad, names, entries, event)
                keep[event[bad.flatten(1).any(1)]] = False
    return torch.nonzero(keep).flatten()


def _event_numbers(name: str, inputs: Mapping[str, Tensor], events: int) -> Tensor:
    numbers = torch.arange(events)
    return numbers.repeat_interleave(inputs["lengths"]) if name in POINTWISE else numbers


def _refusal(
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
        "'invalid' to clip, impute or drop, or select the events away"
    )
