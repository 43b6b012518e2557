"""The parametric detector: towers, tracks and energy flow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.simulation.pythia.calorimeter import energy_flow, log_normal
from bunchtrain.simulation.pythia.detector import (
    ECAL,
    HCAL,
    exit_point,
    simulate_detector,
    track_resolution,
    tracking_efficiency,
)
from bunchtrain.simulation.pythia.particles import Particles


def particles(pid, charge, pt, eta, phi=0.3, count=1):
    """Return `count` events with one such massless particle each."""
    pt, eta, phi = (np.full(count, float(x)) for x in (pt, eta, phi))
    momentum = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    return Particles(np.arange(count), np.full(count, pid), np.full(count, charge), *momentum)


@pytest.mark.parametrize(("mean", "sigma"), [(100.0, 2.0), (5.0, 3.0)])
def test_smearing_keeps_the_mean_and_has_the_width(mean, sigma):
    drawn = log_normal(np.full(40_000, mean), np.full(40_000, sigma), np.random.default_rng(1))
    assert (drawn > 0).all()
    assert drawn.mean() == pytest.approx(mean, abs=5 * sigma / 200)
    assert drawn.std() == pytest.approx(sigma, rel=0.05)


def test_photons_are_measured_with_the_resolution_of_the_electromagnetic_calorimeter():
    seen = simulate_detector(particles(22, 0, 100.0, 0.0, count=4000), np.random.default_rng(2))
    assert set(seen.pid) == {22}
    expected = np.sqrt(0.0017**2 * 100**2 + 0.101**2 * 100)
    assert seen.energy.std() == pytest.approx(expected, rel=0.1)


def test_neutral_hadrons_are_measured_in_the_hadronic_calorimeter():
    seen = simulate_detector(particles(130, 0, 100.0, 2.0, count=4000), np.random.default_rng(3))
    energy = 100 * np.cosh(2.0)
    assert set(seen.pid) == {0}
    assert seen.energy.mean() == pytest.approx(energy, rel=0.02)
    assert seen.energy.std() == pytest.approx(
        np.sqrt(0.05**2 * energy**2 + 0.706**2 * energy), rel=0.1
    )


def test_charged_hadrons_become_tracks_or_else_towers():
    seen = simulate_detector(particles(211, 1, 40.0, 0.2, count=4000), np.random.default_rng(4))
    tracks = seen[seen.charge == 1]
    assert len(tracks.event) == pytest.approx(0.95 * 4000, abs=5 * np.sqrt(4000 * 0.95 * 0.05))
    without_track = np.setdiff1d(np.arange(4000), tracks.event)
    assert set(seen.pid[np.isin(seen.event, without_track)]) == {0}


def test_muons_leave_nothing_in_the_calorimeters():
    seen = simulate_detector(particles(13, -1, 40.0, 0.2, count=2000), np.random.default_rng(5))
    assert set(seen.pid) == {13}


def test_events_do_not_share_towers():
    seen = simulate_detector(particles(22, 0, 50.0, 0.0, count=300), np.random.default_rng(6))
    assert np.array_equal(seen.event, np.arange(300))


def test_a_significant_excess_over_the_tracks_becomes_a_neutral():
    tower = ECAL.towers(np.array([0]), np.array([0.1]), np.array([0.2]))
    tracks = (tower, np.array([20.0]), np.array([0.01]))
    rest, factor = energy_flow(
        ECAL, (np.repeat(tower, 2), np.array([20.0, 30.0])), tracks, np.random.default_rng(7)
    )
    assert rest.energy == pytest.approx(30.0, abs=5 * ECAL.resolution(50.0, 0.1))
    assert factor == pytest.approx(1.0)


def test_without_excess_tracks_are_scaled_to_the_mean_weighted_by_precision():
    tower = HCAL.towers(np.array([0]), np.array([0.1]), np.array([0.2]))
    tracks = (tower, np.array([50.0]), np.array([0.1]))
    rest, factor = energy_flow(HCAL, (tower, np.array([50.0])), tracks, np.random.default_rng(8))
    rng = np.random.default_rng(8)
    energy = log_normal(np.array([50.0]), HCAL.resolution(np.array([50.0]), 0.1), rng)
    track, tower_variance = 5.0**2, HCAL.resolution(energy, 0.1) ** 2
    mean = (50.0 / track + energy / tower_variance) / (1 / track + 1 / tower_variance)
    assert len(rest.event) == 0
    assert factor * 50.0 == pytest.approx(mean)


@given(eta=st.floats(-2.9, 2.9), phi=st.floats(-3.1, 3.1))
def test_every_place_lies_in_its_own_tower(eta, phi):
    for calorimeter in (ECAL, HCAL):
        tower = calorimeter.towers(np.array([3]), np.array([eta]), np.array([phi]))
        place = calorimeter.draw_position(tower, np.random.default_rng(9))
        assert calorimeter.towers(np.array([3]), *place) == tower


@given(pt=st.floats(0.5, 500), eta=st.floats(-2.5, 2.5))
def test_the_field_bends_opposite_charges_by_the_same_angle(pt, eta):
    plus, minus, neutral = (exit_point(particles(211, q, pt, eta)) for q in (1, -1, 0))
    assert plus[1] + minus[1] == pytest.approx(2 * neutral[1])
    assert neutral == (pytest.approx(eta), pytest.approx(0.3))
    assert plus[0] == pytest.approx(minus[0])


def test_the_bend_in_the_barrel_is_that_of_a_circle():
    _, phi = exit_point(particles(211, 1, 2.0, 0.0))
    assert 0.3 - phi == pytest.approx(np.arcsin(0.3 * 2.0 * 1.15 / (2 * 2.0)))


@pytest.mark.parametrize(
    ("pid", "pt", "eta", "efficiency"),
    [(211, 5, 0, 0.95), (211, 5, 2, 0.85), (211, 0.5, 0, 0.70), (211, 5, 2.6, 0), (211, 0.05, 0, 0),
     (11, 200, 1, 0.99), (11, 50, 2, 0.83), (13, 5, 1, 0.99), (13, 0.5, 2, 0.70)],
)  # fmt: skip
def test_tracking_efficiency_is_that_of_the_card(pid, pt, eta, efficiency):
    assert tracking_efficiency(particles(pid, -1, pt, eta)) == pytest.approx(efficiency)
    assert tracking_efficiency(particles(22, 0, pt, eta)) == 0


def test_track_resolution_is_that_of_the_card():
    assert track_resolution(particles(211, 1, 100, 0.2)) == pytest.approx(np.hypot(0.06, 0.13))
    assert track_resolution(particles(13, 1, 100, 2.0)) == pytest.approx(np.hypot(0.025, 0.035))
