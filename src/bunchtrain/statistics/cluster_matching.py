"""Clusters of points with energies beside the true objects that the energies are of."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Clusters:
    """Clusters of all events, (clusters,) each, in the order of their events.

    event        index of the event.
    index        index of the cluster in the event.
    energy       sum of the energies of its points.
    true_object  identifier of the true object with most of this energy, −1 if none has any.
    true_energy  sum of the energies of the points of this object, 0 for none.
    is_pure      whether more than a fraction of the energy is of this object.
    is_matched   whether it is pure and has more than a fraction of the energy of the object.
    """

    event: Ints
    index: Ints
    energy: Floats
    true_object: Ints
    true_energy: Floats
    is_pure: NDArray[np.bool_]
    is_matched: NDArray[np.bool_]

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Clusters:
        return Clusters(*(getattr(self, field.name)[chosen] for field in fields(self)))


def match_clusters(
    event: Ints,
    cluster: Ints,
    true_object: Ints,
    energy: Floats,
    purity: float = 0.5,
    completeness: float = 0.5,
) -> Clusters:
    """Return the clusters with their true objects.

    With fractions of at least a half a cluster has one object and an object one cluster at most.

    event         (points,) index of the event.
    cluster       (points,) index of the cluster in the event, negative for none.
    true_object   (points,) identifier of the true object in the event, negative for none.
    energy        (points,) not negative.
    purity        smallest fraction, excluded, of the cluster's energy that is of its object.
    completeness  smallest fraction, excluded, of the object's energy that is in its cluster.
    """
    inside = cluster >= 0
    pairs, of = _distinct(event[inside], cluster[inside])
    sums = _sum(of, energy[inside], len(pairs))
    known, own = _distinct(event[true_object >= 0], true_object[true_object >= 0])
    totals = _sum(own, energy[true_object >= 0], len(known))
    best, shared = np.full(len(pairs), -1), np.zeros(len(pairs))
    both = inside & (true_object >= 0)
    if both.any():
        index, place = np.full((2, len(event)), -1)
        index[inside], place[true_object >= 0] = of, own
        joint, joined = _distinct(index[both], place[both])
        common = _sum(joined, energy[both], len(joint))
        order = np.lexsort((-joint[:, 1], common, joint[:, 0]))  # the largest of each last
        best[joint[order, 0]], shared[joint[order, 0]] = joint[order, 1], common[order]
    has_one = shared > 0
    is_pure = has_one & (shared > purity * sums)
    total, identifier = np.append(totals, 0.0)[best], np.append(known[:, 1], -1)[best]
    total, identifier = np.where(has_one, total, 0.0), np.where(has_one, identifier, -1)
    is_matched = is_pure & (shared > completeness * total)
    return Clusters(pairs[:, 0], pairs[:, 1], sums, identifier, total, is_pure, is_matched)


def _distinct(first: Ints, second: Ints) -> tuple[Ints, Ints]:
    """Return the distinct pairs (pairs, 2), ordered, and the index of the pair of each row."""
    found, index = np.unique(np.column_stack([first, second]), axis=0, return_inverse=True)
    return found, index.ravel()


def _sum(index: Ints, values: Floats, length: int) -> Floats:
    return np.bincount(index, values, length).astype(np.float64)
