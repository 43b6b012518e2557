"""Objects of points by condensation: those around the points of largest β in the learned space.

In each event the point of largest β above a threshold takes all points up to a distance from it in
the learned space, then that of largest β among those that are left, and so on (arXiv:2002.03605).
All events of a block advance together, one object of each in a step.
"""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, nearest
from bunchtrain.parts.ranges import InnerFraction, PointCount, Positive
from bunchtrain.targets import Target
from bunchtrain.targets.quantity import BETA, COORDINATE
from bunchtrain.transforms._clustering import Clustering, Floats, Ints, Predicted


class Condensation(Clustering):
    """Objects around the points of largest β, of the loss `object_condensation`.

    target      Target of points with this loss; the only one with values if unset.
    threshold   Smallest β of the centre of an object.
    distance    Largest distance from the centre in the learned space.
    min_points  Smallest number of points of an object.

    arXiv:2002.03605
    """

    reads = "point"

    def __init__(
        self,
        *,
        target: str | None = None,
        threshold: InnerFraction = 0.1,
        distance: Positive = 0.8,
        min_points: PointCount = 1,
    ) -> None:
        self.target, self.threshold, self.distance = target, threshold, distance
        self.least = min_points

    def read_target(self, targets: Mapping[str, Target]) -> Target:
        """Return the target of points that it reads.

        Raises StudyError, naming the nearest, if there is none.
        """
        known = {n: one for n, one in targets.items() if one.axis == "point" and one.values}
        chosen = self.target or (next(iter(known)) if len(known) == 1 else None)
        if chosen not in known:
            which = f"target '{chosen}'" if chosen else "the option 'target', one"
            hint = nearest(chosen or "", known)
            raise StudyError(
                f"transform '{self.name}' needs {which} of points with the loss "
                f"'object_condensation'{hint}"
            )
        return known[str(chosen)]

    def label(self, events: ak.Array, counts: Ints, predicted: Predicted) -> Ints:
        """Return the centre of the object of each point, (points,), −1 for none.

        Raises StudyError if the predictions are not those of `object_condensation`.
        """
        assert isinstance(predicted, Mapping)
        if BETA not in predicted or f"{COORDINATE}0" not in predicted:
            raise StudyError(
                f"transform '{self.name}' needs the loss 'object_condensation' for its target"
            )
        names = [f"{COORDINATE}{k}" for k in range(len(predicted))]
        places = np.stack([predicted[name] for name in names if name in predicted], 1)
        event = np.repeat(np.arange(len(counts)), counts)
        return condense(predicted[BETA], places, event, self.threshold, self.distance)


def condense(beta: Floats, places: Floats, event: Ints, threshold: float, distance: float) -> Ints:
    """Return the centre of the object of each point, (points,), −1 for none.

    Of equal β the point of the lower index is first.

    beta       (points,), NaN for a point without a prediction.
    places     (points, dimension), coordinates in the learned space.
    event      (points,), rising.
    threshold  smallest β of a centre.
    distance   largest distance of a point from the centre of its object.
    """
    found = np.full(len(beta), -1, np.int64)
    events = int(event[-1]) + 1 if len(event) else 0
    ranked = np.flatnonzero(beta >= threshold)
    ranked = ranked[np.lexsort((-beta[ranked], event[ranked]))]
    left = np.flatnonzero(np.isfinite(beta))
    own, columns = event[left], [column[left] for column in places.T]
    while len(ranked):
        is_first = np.ones(len(ranked), bool)
        is_first[1:] = event[ranked[1:]] != event[ranked[:-1]]
        centre = np.full(events, -1, np.int64)
        centre[event[ranked[is_first]]] = ranked[is_first]
        # In an event without a further centre nothing is near, as NaN.
        at = np.where(centre[:, None] >= 0, places[centre], np.nan)
        square = np.zeros(len(left))
        for column, of_events in zip(columns, at.T, strict=True):
            square += (column - of_events[own]) ** 2
        is_near = square <= distance**2
        found[left[is_near]] = centre[own[is_near]]
        left, own = left[~is_near], own[~is_near]
        columns = [column[~is_near] for column in columns]
        ranked = ranked[found[ranked] < 0]
    return found
