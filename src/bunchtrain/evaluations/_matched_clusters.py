"""Clusters that are matched to true objects, and energies of them.

The sum S of the energies of the points of a cluster is calibrated: log E is a polynomial of second
degree in log S, fitted to the matched clusters of one half of the events and applied to the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import Polynomial

from bunchtrain.statistics.cluster_matching import Clusters
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, half_width
from bunchtrain.tables.predictions import Values

#: Smallest number of clusters for a calibration.
FEWEST = 20


@dataclass(frozen=True)
class Found:
    """Clusters of a set of events and the true objects that count.

    clusters    those that count.
    event       (particles,) event of each true object that counts.
    identifier  (particles,) its identifier in the event.
    cluster     (particles,) index of the cluster that is matched to it, −1 for none.
    true        (particles,) energy with which that of the cluster is compared.
    """

    clusters: Clusters
    event: Values
    identifier: Values
    cluster: Values
    true: Values

    @property
    def found(self) -> Values:
        """Whether a cluster is matched to each true object, (particles,)."""
        return self.cluster >= 0

    @property
    def of(self) -> Values:
        """Event of each matched cluster, (matched,)."""
        return self.event[self.found]

    @property
    def response(self) -> Values:
        """Energy of each matched cluster over that of its object, (matched,)."""
        return self.sums[self.found] / self.true[self.found]

    @property
    def sums(self) -> Values:
        """Energy of the cluster of each true object, NaN without one, (particles,)."""
        return self.of_objects(self.clusters.energy)

    def of_objects(self, values: Values) -> Values:
        """Return values (clusters,) for the true objects, NaN without a cluster, (particles,)."""
        return np.append(values, np.nan)[self.cluster]


def matched(clusters: Clusters, event: Values, identifier: Values, true: Values | None) -> Found:
    """Return the clusters with the true objects that count, of which `true` is the energy.

    event, identifier  (particles,), rising.
    true               (particles,); the sum of the energies of the points of each if None.
    """
    keys, own = pair_keys(event, identifier), pair_keys(clusters.event, clusters.true_object)
    place = np.searchsorted(keys, own).clip(max=len(keys) - 1)
    rows = np.flatnonzero(clusters.is_matched & (keys[place] == own))
    cluster = np.full(len(event), -1)
    cluster[place[rows]] = rows
    if true is None:
        true = np.append(clusters.true_energy, np.nan)[cluster]
    return Found(clusters, event, identifier, cluster, true)


def at_centres(
    values: Values, beta: Values, event: Values, index: Values, clusters: Clusters
) -> Values:
    """Return the value at the point of largest β of each cluster, (clusters,).

    values, beta  (points,).
    event, index  (points,) event of each point and cluster in it, negative for none.
    """
    inside, keys = np.flatnonzero(index >= 0), pair_keys(event, index)
    ranked = inside[np.lexsort((beta[inside], keys[inside]))]
    is_last = np.append(keys[ranked][1:] != keys[ranked][:-1], True)[: len(ranked)]
    centres = ranked[is_last]  # in the order of their keys
    place = np.searchsorted(keys[centres], pair_keys(clusters.event, clusters.index))
    return np.asarray(values[centres[place]])


def calibrated(found: Found, true: Values, classes: Values | None = None) -> Values:
    """Return the calibrated sums of the clusters of true objects, (particles,); NaN without one.

    true     (particles,) energy of each object.
    classes  (particles,) class of each, with a calibration of its own, NaN without a cluster.
    """
    energy, sums, half = np.full(len(true), np.nan), found.sums, found.event % 2
    classes = np.zeros(len(true)) if classes is None else classes
    for kind in np.unique(classes[np.isfinite(classes)]):
        known = (sums > 0) & (classes == kind)
        for one in (0, 1):
            fitted, applied = known & (half != one), known & (half == one)
            if fitted.sum() >= FEWEST:
                made = Polynomial.fit(np.log(sums[fitted]), np.log(true[fitted]), 2)
                energy[applied] = np.exp(made(np.log(sums[applied])))
    return energy


def energy_metrics(response: Values, event: Values, weights: Values) -> dict[str, Measurement]:
    """Return the mean and half the 68 % width of responses (particles,), NaN for none.

    event    (particles,) of each.
    weights  (events,).
    """
    known = np.isfinite(response)
    own, of = response[known], event[known]
    sums, number = np.bincount(of, own, len(weights)), np.bincount(of, minlength=len(weights))
    width = half_width(own, weights[of]) if len(own) > 1 else Measurement(np.nan)
    return {
        "object_energy_response": ratio_of_sums(sums, number, weights),
        "object_energy_width": width,
    }


def pair_keys(event: Values, index: Values) -> Values:
    """Return one number for each pair of event and index."""
    return np.asarray(event, np.int64) * (1 << 32) + np.asarray(index, np.int64)
