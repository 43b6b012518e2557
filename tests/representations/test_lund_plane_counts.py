"""Bins of the Lund plane, counted."""

import numpy as np
import pytest
from made_up_jets import as_events, plane_jets

from bunchtrain.errors import StudyError
from bunchtrain.representations.lund_plane_counts import LundPlaneCounts

COARSE = {"bins": (2, 3), "kt": (1.0, 100.0), "angle": (0.01, 10.0)}


def test_a_jet_of_three_particles_by_hand():
    """80 and 20 at ΔR = 0.3 join first, m = 12; their sum and 100 at 1 have kT = 100, m = 100."""
    jet = [100.0, 80.0, 20.0], [0.0, 1.0, 1.3], [0.0, 0.0, 0.0], [3]
    counts = LundPlaneCounts(min_mass=0, **COARSE)(as_events(*map(np.array, jet)))["table"][0]
    # kT = 6 and ΔR = 0.3: bin (0, 1); kT ≥ 100 and ΔR = 1.06: bin (1, 2)
    assert counts.reshape(2, 3).tolist() == [[0, 1, 0], [0, 0, 1]]
    heavy = LundPlaneCounts(min_mass=20, **COARSE)(as_events(*map(np.array, jet)))["table"][0]
    assert heavy.tolist() == [0, 0, 0, 0, 0, 1]


def test_every_splitting_counts_once():
    pt, eta, phi, lengths = plane_jets(most=30)
    words = LundPlaneCounts(min_mass=-1)
    table = words(as_events(pt, eta, phi, lengths))["table"]
    assert table.shape == (len(lengths), 10 * 8)
    assert table.sum(1).tolist() == np.maximum(lengths - 1, 0).tolist()
    assert len(set(words.names["table"])) == words.sizes["table"] == 80
    assert words.normalise == "none"


def test_neither_order_nor_axis_of_the_jet_matter():
    pt, eta, phi, lengths = plane_jets(most=30, jets=1, empty=False)
    words, events = LundPlaneCounts(min_mass=0), (pt, eta, phi)
    turned = np.random.default_rng(1).permutation(len(pt))
    expected = words(as_events(*events, lengths))["table"]
    assert np.array_equal(
        words(as_events(*(v[turned] for v in events), lengths))["table"], expected
    )
    assert np.array_equal(words(as_events(pt, eta + 0.5, phi, lengths))["table"], expected)


def test_impossible_bins_are_refused():
    with pytest.raises(StudyError, match="10 bins of 'kt' from 5 to 1 are impossible"):
        LundPlaneCounts(kt=(5, 1))
