"""Numerical verification of an export: its scores compared with the trained model's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, VerificationError, shorten
from bunchtrain.files import read_json
from bunchtrain.targets import Target
from bunchtrain.trained_model import EDGE, TrainedModel

#: Name of the file of a verification; `parity.json` in runs of earlier versions.
FILE, OLD_FILE = "verification.json", "parity.json"

Scores = Mapping[str, NDArray[np.float32]]


#: Class scores from this value on are compared relative to themselves.
SMALLEST = 1e-11
#: Relative difference of two scores in float32 that can be due to rounding alone.
ROUNDING = 1e-5
#: Events that are also evaluated one at a time, and events of each kind of `edge_events`.
SINGLE, EDGES = 100, 20


@dataclass(frozen=True)
class Agreement:
    """The comparison of two sets of scores of the same events.

    what                the two sets, e.g. "ONNX Runtime with the trained model".
    events              number of events, or of points or edges where these are compared.
    difference          largest difference of a score, relative to scores above 1 (values in GeV
                        are not probabilities); NaN if only one of the two is NaN.
    flipped             events whose decision (the class of the largest score) differs.
    tolerance           largest allowed difference; None if there is no limit.
    allowed_flips       allowed number of flipped decisions; None if there is no limit.
    relative            largest difference of a class score from 1e-11 on, relative to the score.
    misordered          steps down of the export's class scores, by more than rounding, where the
                        events are sorted by the score that it is compared with.
    relative_tolerance  largest allowed `relative`; None if there is no limit.
    """

    what: str
    events: int
    difference: float
    flipped: int
    tolerance: float | None = None
    allowed_flips: int | None = None
    relative: float = 0.0
    misordered: int = 0
    relative_tolerance: float | None = None

    @property
    def holds(self) -> bool:
        """Whether differences and flips are within their limits."""
        limits = (
            (self.difference, self.tolerance),
            (self.relative, self.relative_tolerance),
            (self.flipped, self.allowed_flips),
        )
        return all(limit is None or found <= limit for found, limit in limits)

    def __str__(self) -> str:
        return (
            f"{self.what}, {self.events} events: largest difference {self.difference:.2g}, "
            f"relative {self.relative:.2g}, {self.flipped} changed decisions"
        )


@dataclass(frozen=True)
class Verification:
    """The files of an export and its comparison with the trained model.

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

    def check(self, name: str, folder: Path) -> None:
        """Raise VerificationError, with the first comparison that fails, if one does.

        folder  of the files of the export, for the message.
        """
        for one in self.agreements:
            if not one.holds:
                allowed = [] if one.tolerance is None else [f"a difference of {one.tolerance:g}"]
                if one.relative_tolerance is not None:
                    allowed.append(f"a relative one of {one.relative_tolerance:g}")
                if one.allowed_flips is not None:
                    allowed.append(f"{one.allowed_flips} flipped decisions")
                raise VerificationError(
                    f"the export to '{name}' does not give the trained model's numbers: {one}, "
                    f"where {' and '.join(allowed)} at most is allowed; do not deploy it: its "
                    f"files are in '{shorten(folder, 100, plain=True)}'"
                )


def read_properties(folder: Path) -> dict[str, Any]:
    """Return the measured properties of an export from its folder, {} if there is no export."""
    for name, key in ((FILE, "properties"), (OLD_FILE, "figures")):
        if (folder / name).is_file():
            content = read_json(folder / name)
            return dict(content.get(key) or {})
    return {}


def verify(
    what: str,
    trained: TrainedModel,
    events: ak.Array,
    predict: Callable[[ak.Array, int | None], Mapping[str, Any]],
    tolerance: float,
) -> list[Agreement]:
    """Return the comparisons of an export in floating point with the trained model.

    Compared are all events, in batches; the first ones, one at a time; and events with the first
    point only or without points, where the model has points.

    what       the export, e.g. "ONNX Runtime".
    predict    (events, events of a batch or None for the training's batch size) → scores, as
               `TrainedModel.predict` returns them.
    tolerance  largest difference of a score, relative to scores above 1; relative to small class
               scores 10 times it, at least 1e-3, are allowed.
    """
    relative, targets = max(10 * tolerance, 1e-3), trained.task.targets
    expected = trained.predict(events)
    first = {name: scores[:SINGLE] for name, scores in expected.items()}
    pairs = {
        "": (expected, predict(events, None)),
        ", one event at a time": (first, predict(events[:SINGLE], 1)),
    }
    for kind, given in edge_events(trained, events):
        true = trained.predict(given)
        pairs[f", {kind}"] = (true, predict(given, None))
        pairs[f", {kind}, one event at a time"] = (true, predict(given, 1))
    return [
        compare_scores(f"{what} with the trained model{kind}{rows}", a[rows], b[rows], targets,
                       tolerance, None, relative)
        for kind, pair in pairs.items()
        for a, b in [[_scores_by_rows(trained, scores) for scores in pair]]
        for rows, scores in a.items()
        if kind == "" or len(next(iter(scores.values())))
    ]  # fmt: skip


def _scores_by_rows(trained: TrainedModel, predicted: Mapping[str, Any]) -> dict[str, Scores]:
    """Return the scores with the same rows: '' for events, ', points' or ', edges'."""
    found: dict[str, dict[str, NDArray[np.float32]]] = {}
    for name, (target, quantity) in trained.quantities.items():
        axis = trained.task.targets[target].axis if target else "event"
        rows = "" if axis == "event" else f", {axis}s"
        if quantity not in EDGE:
            values = predicted[name] if axis == "event" else ak.flatten(predicted[name])
            found.setdefault(rows, {})[name] = ak.to_numpy(values)
    return dict(found)


def edge_events(trained: TrainedModel, events: ak.Array) -> Iterator[tuple[str, ak.Array]]:
    """Yield events without points and events of one point, each with its description.

    They are the first events with shortened lists; none are yielded if the model has no points or
    its representation rejects such events.
    """
    if "lengths" not in trained.network.input_names:
        return
    for kind, count in (("events without points", 0), ("events of one point", 1)):
        columns = {name: events[name][:EDGES] for name in events.fields}
        shortened = ak.Array(
            {name: x[:, :count] if _is_jagged(x) else x for name, x in columns.items()}
        )
        try:
            _, kept = trained.represent(shortened)
        except DataError:
            continue
        if len(kept):
            yield kind, shortened


def _is_jagged(column: ak.Array) -> bool:
    return column.ndim > 1 and isinstance(column.type.content, ak.types.ListType)


def compare_scores(
    what: str,
    expected: Scores,
    found: Scores,
    targets: Mapping[str, Target],
    tolerance: float | None = None,
    allowed_flips: int | None = None,
    relative_tolerance: float | None = None,
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
    difference = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, difference)  # also for ∞
    groups = _class_columns(names, targets)
    flipped = np.zeros(len(a), bool)
    for columns in groups:
        flipped |= a[:, columns].argmax(1) != b[:, columns].argmax(1)
    classes = [column for columns in groups for column in columns]
    return Agreement(
        what,
        len(a),
        float(difference.max(initial=0.0)),
        int(flipped.sum()),
        tolerance,
        allowed_flips,
        _largest_relative(a[:, classes], b[:, classes]),
        sum(_count_steps_down(a[:, column], b[:, column]) for column in classes),
        relative_tolerance,
    )


def _class_columns(names: list[str], targets: Mapping[str, Target]) -> list[list[int]]:
    """Return the columns of the class scores of each target that has at least two."""
    prefixes = {name: f"{name}_" if len(targets) > 1 else "" for name in targets}
    found = [
        [names.index(prefixes[name] + c) for c in target.classes if prefixes[name] + c in names]
        for name, target in targets.items()
    ]
    return [columns for columns in found if len(columns) > 1]


def _largest_relative(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Return the largest |a − b| / a of scores from `SMALLEST` on."""
    large = a >= SMALLEST
    return float((np.abs(a - b)[large] / a[large]).max(initial=0.0))


def _count_steps_down(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """Return how often b falls, by more than rounding, between events in the order of a."""
    order = np.lexsort((b, a))  # no step between equal scores
    b = b[order]
    return int((b[1:] < b[:-1] - ROUNDING * np.abs(b[:-1])).sum())
