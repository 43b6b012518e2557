"""Numerical verification of an export: its scores compared with the network's, event by event."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import VerificationError
from bunchtrain.targets import Target

#: Name of the file of a verification; `parity.json` in runs of earlier versions.
FILE, OLD_FILE = "verification.json", "parity.json"

Scores = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Agreement:
    """The comparison of two sets of scores of the same events.

    what           the two sets, e.g. "ONNX Runtime with PyTorch".
    events         number of events.
    difference     largest difference of a score, relative to scores above 1 (values in GeV are
                   not probabilities); NaN if only one of the two is NaN.
    flipped        events whose decision (the class of the largest score) differs.
    tolerance      largest allowed difference; None if there is no limit.
    allowed_flips  allowed number of flipped decisions; None if there is no limit.
    """

    what: str
    events: int
    difference: float
    flipped: int
    tolerance: float | None = None
    allowed_flips: int | None = None

    @property
    def holds(self) -> bool:
        """Whether difference and flips are within their limits."""
        close = self.tolerance is None or self.difference <= self.tolerance
        return close and (self.allowed_flips is None or self.flipped <= self.allowed_flips)

    def __str__(self) -> str:
        return (
            f"{self.what}, {self.events} events: largest difference {self.difference:.2g}, "
            f"{self.flipped} decisions flipped"
        )


@dataclass(frozen=True)
class Verification:
    """The files of an export and its comparison with the network.

    agreements  each comparison.
    files       names of the files, relative to the folder of the export.
    tools       tool → its version.
    properties  name → value of what else was measured, as latency or look-up tables.
    """

    agreements: Sequence[Agreement]
    files: Sequence[str]
    tools: Mapping[str, str]
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every comparison is within its limits."""
        return all(agreement.holds for agreement in self.agreements)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `verification.json`."""
        return {"holds": self.holds, **asdict(self)}

    def check(self, name: str) -> None:
        """Raise VerificationError, with the first comparison that fails, if one does."""
        for one in self.agreements:
            if not one.holds:
                allowed = [] if one.tolerance is None else [f"a difference of {one.tolerance:g}"]
                if one.allowed_flips is not None:
                    allowed.append(f"{one.allowed_flips} flipped decisions")
                raise VerificationError(
                    f"the export to '{name}' does not give the network's numbers: {one}, where "
                    f"{' and '.join(allowed)} at most is allowed; do not deploy it"
                )


def read_properties(folder: Path) -> dict[str, Any]:
    """Return the measured properties of an export from its folder, {} if there is no export."""
    for name, key in ((FILE, "properties"), (OLD_FILE, "figures")):
        if (folder / name).is_file():
            content = json.loads((folder / name).read_text(encoding="utf-8"))
            return dict(content.get(key, {}))
    return {}


def compare_scores(
    what: str,
    expected: Scores,
    found: Scores,
    targets: Mapping[str, Target],
    tolerance: float | None = None,
    allowed_flips: int | None = None,
) -> Agreement:
    """Return the comparison of two sets of scores; events that are NaN in both are left out.

    expected, found  score → (events,), as `TrainedModel.predict` names them.
    targets          by name, as in `Task.targets`.
    """
    names = list(expected)
    a = np.stack([np.asarray(expected[name], np.float64) for name in names], 1)  # (events, score)
    b = np.stack([np.asarray(found[name], np.float64) for name in names], 1)
    valid = ~(np.isnan(a).all(1) & np.isnan(b).all(1))
    a, b = a[valid], b[valid]
    with np.errstate(invalid="ignore"):
        difference = np.abs(a - b) / np.maximum(1.0, np.abs(a))
    difference = np.where(a == b, 0.0, difference)  # also for ∞ and ∞
    flipped = _count_flips(a, b, names, targets)
    largest = float(difference.max(initial=0.0))
    return Agreement(what, len(a), largest, flipped, tolerance, allowed_flips)


def _count_flips(
    a: NDArray[np.float64], b: NDArray[np.float64], names: list[str], targets: Mapping[str, Target]
) -> int:
    differs = np.zeros(len(a), bool)
    for name, target in targets.items():
        prefix = f"{name}_" if len(targets) > 1 else ""
        columns = [names.index(prefix + c) for c in target.classes if prefix + c in names]
        if len(columns) > 1:
            differs |= a[:, columns].argmax(1) != b[:, columns].argmax(1)
    return int(differs.sum())
