"""Leading particles after centring, turning and mirroring, the inputs of TopoDNN."""

import numpy as np
import pytest
from made_up_jets import as_events, plane_jets

from bunchtrain.representations.leading_particles import LeadingParticles


def flat_jets():
    pt, _, _, lengths = plane_jets()
    return np.random.default_rng(1).normal(0, 0.1, (2, len(pt))), pt, lengths


def table(plane, pt, lengths, **options):
    """Return pT, Δη, Δφ and ΔR of jets around η = 0, φ = 0: (jets, 12, feature)."""
    leading = LeadingParticles(features=["pt", "deta", "dphi", "dr"], n=12, **options)
    events = as_events(pt, *plane, lengths)
    return leading(events)["table"].reshape(len(lengths), 12, 4)


@pytest.mark.parametrize(
    "move",
    [
        lambda x, y: (x + 0.3, y - 0.2),
        lambda x, y: (0.6 * x - 0.8 * y, 0.8 * x + 0.6 * y),
        lambda x, y: (-x, y),
        lambda x, y: (x, -y),
    ],
)
def test_shifts_turns_and_mirrors_of_a_jet_change_nothing(move):
    plane, pt, lengths = flat_jets()
    expected = table(plane, pt, lengths, align=True)
    np.testing.assert_allclose(table(move(*plane), pt, lengths, align=True), expected, atol=2e-4)


def test_the_two_hardest_particles_fix_the_frame():
    plane, pt, lengths = flat_jets()
    aligned = table(plane, pt, lengths, align=True)
    weight, deta, dphi, dr = np.moveaxis(aligned, 2, 0)
    np.testing.assert_array_equal(aligned[:, 0, 1:], 0)
    np.testing.assert_allclose(deta[:, 1], 0, atol=1e-6)
    assert (dphi[lengths > 1, 1] < 0).all()
    assert ((weight * deta).sum(1) >= -1e-5).all()
    np.testing.assert_allclose(dr, np.hypot(deta, dphi), atol=1e-6)
    free = table(plane, pt, lengths)
    apart = np.hypot(*np.moveaxis(free[:, 2] - free[:, 0], -1, 0)[1:3])[lengths > 2]
    np.testing.assert_allclose(dr[lengths > 2, 2], apart, atol=1e-5)
