"""Efficiencies of assignments: right ones of the particles that are complete (arXiv:2106.03898)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import Floats, Measurement, as_weights
from bunchtrain.statistics.metrics.efficiency import efficiency_interval
from bunchtrain.targets import Assignment

Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Matched:
    """Which particles of events are assigned correctly, (events, particles) each.

    is_complete  whether all products of the true particle are there.
    is_right     whether the true particle is assigned correctly, under the symmetries.
    true         index of the true particle with which the predicted one is compared.
    """

    is_complete: Flags
    is_right: Flags
    true: NDArray[np.int64]

    def of_predicted(self) -> tuple[Flags, Flags]:
        """Return whether each predicted particle is right, and whether its true one is complete."""
        rows = np.arange(len(self.true))[:, None]
        return self.is_right[rows, self.true], self.is_complete[rows, self.true]


def match(predicted: NDArray[Any], truth: NDArray[Any], assignment: Assignment) -> Matched:
    """Return which particles are right in the order of particles in which most of them are.

    predicted  (events, role) items, −1 for none.
    truth      (events, role) items, −1 for a missing one.
    """
    count = len(assignment.particles)
    spans = [slice(span[0], span[-1] + 1) for span in assignment.spans.values()]
    given, true = (
        [_in_order(items[:, spans[k]], assignment.product_sets[k]) for k in range(count)]
        for items in (predicted, truth)
    )
    complete = np.stack([(one >= 0).all(1) for one in true], 1)
    orders = np.array(assignment.particle_orders)  # (order, particle)
    right = np.stack(
        [
            np.stack(
                [(given[k] == true[j]).all(1) & complete[:, j] for k, j in enumerate(order)], 1
            )
            for order in orders
        ]
    )  # (order, events, particle) of the predicted particles
    best = right.sum(2).argmax(0)
    true_of = orders[best]  # (events, particle)
    is_right = np.zeros_like(complete)
    np.put_along_axis(is_right, true_of, right[best, np.arange(len(best))], 1)
    return Matched(complete, is_right, true_of)


def _in_order(items: NDArray[Any], sets: tuple[tuple[int, ...], ...]) -> NDArray[Any]:
    """Return items (events, product) with those that may be exchanged in rising order."""
    ordered = items.copy()
    for one in sets:
        ordered[:, list(one)] = np.sort(items[:, list(one)], axis=1)
    return ordered


def particle_efficiency(
    matched: Matched, events: Flags, weights: NDArray[Any] | None = None
) -> Measurement:
    """Return the fraction of complete particles that are right, with the error of whole events.

    With r right ones of n in an event of weight w it is ε = Σ w r / Σ w n, and its variance
    Σ w² (r − ε n)² / (Σ w n)²: particles of one event are correlated, as in a bootstrap of events.

    events  (events,) which are used.

    Raises DataError if there is no complete particle.
    """
    w = as_weights(weights, len(events))[events]
    right, complete = (one[events].sum(1) for one in (matched.is_right, matched.is_complete))
    total = float((w * complete).sum())
    if total == 0:
        raise DataError("an efficiency needs particles all of whose products are there")
    value = float((w * right).sum()) / total
    variance = float(((w * (right - value * complete)) ** 2).sum()) / total**2
    one = 1 / (total**2 / float(((w * complete) ** 2).sum()) + 1)
    error = max(variance**0.5, one)
    return Measurement(value, error).with_interval(*efficiency_interval(value, error))


def in_count(counts: Floats | NDArray[np.int64], bins: tuple[int, ...]) -> dict[str, Flags]:
    """Return label → events with this number of items, `6`, `7` and, of the last bin, `8+`."""
    found = {f"{one}": counts == one for one in bins[:-1]}
    return found | {f"{bins[-1]}+": counts >= bins[-1]}
