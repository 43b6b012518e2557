"""The proof of an export: how its numbers compare with the network's, event by event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import ParityError

Scores = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Agreement:
    """Two sets of scores of the same events.

    what           what was compared with what, as "ONNX Runtime with PyTorch".
    events         number of events.
    difference     largest difference of a score, relative to scores above 1 (values in GeV are
                   not probabilities); NaN if one alone is NaN.
    flipped        events whose decision (the class of the largest score) differs.
    tolerance      largest difference that is allowed; None if it is told and not judged.
    allowed_flips  number of flipped decisions that is allowed; None if not judged.
    """

    what: str
    events: int
    difference: float
    flipped: int
    tolerance: float | None = None
    allowed_flips: int | None = None

    @property
    def holds(self) -> bool:
        """True if difference and flips are within what is allowed."""
        close = self.tolerance is None or self.difference <= self.tolerance
        return close and (self.allowed_flips is None or self.flipped <= self.allowed_flips)

    def __str__(self) -> str:
        return (
            f"{self.what}, {self.events} events: largest difference {self.difference:.2g}, "
            f"{self.flipped} decisions flipped"
        )


@dataclass(frozen=True)
class Parity:
    """What an export wrote and how it proved itself.

    agreements  each comparison that was made.
    files       names of the files, relative to the folder of the export.
    tools       name → version of each tool that a figure comes from.
    figures     name → value of what else was measured, as latency or counts of gates.
    """

    agreements: Sequence[Agreement]
    files: Sequence[str]
    tools: Mapping[str, str]
    figures: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """True if every comparison is within what is allowed."""
        return all(agreement.holds for agreement in self.agreements)

    def plain(self) -> dict[str, Any]:
        """Return the content of `parity.json`."""
        return {"holds": self.holds, **asdict(self)}

    def check(self, name: str) -> None:
        """Raise ParityError, naming the first comparison that fails, if one does."""
        for one in self.agreements:
            if not one.holds:
                allowed = [] if one.tolerance is None else [f"a difference of {one.tolerance:g}"]
                if one.allowed_flips is not None:
                    allowed.append(f"{one.allowed_flips} flipped decisions")
                raise ParityError(
                    f"the export to '{name}' does not give the network's numbers: {one}, where "
                    f"{' and '.join(allowed)} at most is allowed; do not deploy it"
                )


def agreement(
    what: str,
    ours: Scores,
    theirs: Scores,
    targets: Mapping[str, Mapping[str, Sequence[str]]],
    tolerance: float | None = None,
    allowed_flips: int | None = None,
) -> Agreement:
    """Return how two sets of scores compare; events that are NaN in both are left out.

    ours, theirs  score → (events,), as `TrainedModel.predict` names them.
    targets       target → {"classes": [...]} or {"values": [...]}, as in `Task.targets`.
    """
    names = list(ours)
    one = np.stack([np.asarray(ours[name], np.float64) for name in names], 1)  # (events, score)
    other = np.stack([np.asarray(theirs[name], np.float64) for name in names], 1)
    known = ~(np.isnan(one).all(1) & np.isnan(other).all(1))
    one, other = one[known], other[known]
    with np.errstate(invalid="ignore"):
        apart = np.abs(one - other) / np.maximum(1.0, np.abs(one))
    apart = np.where(one == other, 0.0, apart)  # also for ∞ and ∞
    difference = float(apart.max(initial=0.0))
    flipped = _flipped(one, other, names, targets)
    return Agreement(what, len(one), difference, flipped, tolerance, allowed_flips)


def _flipped(
    one: NDArray[np.float64],
    other: NDArray[np.float64],
    names: list[str],
    targets: Mapping[str, Mapping[str, Sequence[str]]],
) -> int:
    differs = np.zeros(len(one), bool)
    for target, shape in targets.items():
        prefix = f"{target}_" if len(targets) > 1 else ""
        columns = [names.index(prefix + c) for c in shape.get("classes", ()) if prefix + c in names]
        if len(columns) > 1:
            differs |= one[:, columns].argmax(1) != other[:, columns].argmax(1)
    return int(differs.sum())
