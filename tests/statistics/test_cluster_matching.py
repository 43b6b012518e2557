"""Clusters beside true objects, pair by pair."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.statistics.cluster_matching import match_clusters


def by_hand(event, cluster, truth, energy, purity, completeness):
    """Return (event, energy, object, energy of the object, pure, matched) of each cluster."""
    found = []
    for e, c in sorted({(e, c) for e, c in zip(event, cluster, strict=True) if c >= 0}):
        inside = (event == e) & (cluster == c)
        own = {t: energy[inside & (truth == t)].sum() for t in truth[event == e] if t >= 0}
        best = max(sorted(own), key=lambda t: own[t], default=-1)
        if not own or own[best] == 0:
            found.append((e, energy[inside].sum(), -1, 0.0, False, False))
            continue
        total = energy[(event == e) & (truth == best)].sum()
        pure = own[best] > purity * energy[inside].sum()
        matched = pure and own[best] > completeness * total
        found.append((e, energy[inside].sum(), best, total, pure, matched))
    return found


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), points=st.integers(0, 60), cut=st.sampled_from([0.5, 0.7]))
def test_clusters_are_those_by_hand(seed, points, cut):
    random = np.random.default_rng(seed)
    event = np.sort(random.integers(0, 3, points))
    cluster, truth = random.integers(-1, 4, (2, points))
    energy = random.integers(0, 5, points).astype(np.float64)  # with equal sums, and none
    made = match_clusters(event, cluster, truth, energy, cut, 0.5)
    wanted = by_hand(event, cluster, truth, energy, cut, 0.5)
    columns = (made.event, made.energy, made.true_object, made.true_energy)
    found = zip(*columns, made.is_pure, made.is_matched, strict=True)
    assert [tuple(map(float, one)) for one in found] == [tuple(map(float, o)) for o in wanted]


def test_an_object_has_one_cluster_at_most_and_order_does_not_matter():
    random = np.random.default_rng(1)
    event, energy = np.repeat(np.arange(50), 20), random.exponential(size=1000)
    cluster, truth = random.integers(-1, 3, (2, 1000))
    made = match_clusters(event, cluster, truth, energy)
    pairs = np.column_stack([made.event, made.true_object])[made.is_matched]
    assert len(np.unique(pairs, axis=0)) == len(pairs) > 0
    order = random.permutation(1000)
    again = match_clusters(event[order], cluster[order], truth[order], energy[order])
    assert np.array_equal(again.is_matched, made.is_matched)
    np.testing.assert_allclose(again.energy, made.energy)
