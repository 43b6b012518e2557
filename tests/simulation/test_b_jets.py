"""Jets with displaced tracks: helices, resolutions, labels, and what a small sample must show."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.simulation.pythia.flavour import heaviest_quark
from bunchtrain.simulation.pythia.particles import Particles
from bunchtrain.simulation.pythia.tracks import measure, perigee, resolution
from samples import sample  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    source = sample("b_jets", jets=120, part=120, processes=1, folder=folder)
    source.prepare()
    return source, ak.from_arrow(pq.read_table(source.parts()[0]))


def particles(pt, eta, phi, charge=1):
    pt, eta, phi = (np.atleast_1d(np.array(each, dtype=float)) for each in (pt, eta, phi))
    momentum = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    count = np.arange(len(pt))
    return Particles(count, np.full_like(count, 211), np.full_like(count, charge), *momentum)


@given(
    pt=st.floats(0.5, 100),
    eta=st.floats(-2.4, 2.4),
    phi=st.floats(-3.1, 3.1),
    charge=st.sampled_from([-1, 1]),
    turn=st.floats(-0.2, 0.2),
)
def test_every_point_of_a_helix_has_the_same_perigee(pt, eta, phi, charge, turn):
    here, radius = np.array([[1.0, -2.0, 3.0]]), 1000 * pt / 0.6
    later = phi - charge * turn
    step = charge * radius * np.array([np.sin(phi) - np.sin(later), np.cos(later) - np.cos(phi)])
    there = np.add(here, [[*step, turn * radius * np.sinh(eta)]])
    first = perigee(particles(pt, eta, phi, charge), here)
    np.testing.assert_allclose(perigee(particles(pt, eta, later, charge), there), first, atol=1e-6)


def test_a_stiff_track_passes_the_beam_line_at_the_distance_of_its_straight_line():
    d0, z0, _ = perigee(particles(1e5, 1.0, 0.3), np.array([[3.0, 1.0, 0.5]]))
    assert d0 == pytest.approx(-3 * np.sin(0.3) + np.cos(0.3), abs=1e-3)
    along = 3 * np.cos(0.3) + np.sin(0.3)
    assert z0 == pytest.approx(0.5 - along * np.sinh(1.0), abs=1e-3)


def test_prompt_tracks_are_smeared_by_the_resolution():
    many = particles(np.full(20_000, 2.0), np.zeros(20_000), np.zeros(20_000))
    tracks = measure(many, np.zeros((20_000, 3)), np.random.default_rng(1))
    assert len(tracks.d0) > 15_000
    d0_error, z0_error = resolution(many[:1])
    assert d0_error == pytest.approx(np.hypot(0.011, 0.073 / 2))
    assert tracks.d0.std() == pytest.approx(d0_error[0], rel=0.03)
    assert tracks.z0.std() == pytest.approx(z0_error[0], rel=0.03)


@pytest.mark.parametrize(
    ("pid", "quark"),
    [(511, 5), (-5122, 5), (421, 4), (4122, 4), (443, 4), (211, 2), (5, 0), (5101, 0), (22, 0),
     (1000022, 0)],
)  # fmt: skip
def test_hadrons_are_known_by_their_number(pid, quark):
    assert heaviest_quark(np.array([pid])) == quark


def test_columns_are_those_that_are_promised(made):
    source, jets = made
    assert {name: str(jets[name].type.content) for name in jets.fields} == source.fields()
    assert ak.to_list(jets.flavour) == [5, 4, 0] * 40
    assert ak.all((jets.jet_pt > 20) & (jets.jet_pt < 300) & (np.abs(jets.jet_eta) < 2.5))
    assert ak.all(ak.num(jets.track_d0) == ak.num(jets.track_pt))


def test_tracks_of_beauty_are_displaced_towards_the_jet_and_those_of_light_jets_are_not(made):
    jets = made[1]
    displaced = {}
    for flavour in (5, 4, 0):
        found = ak.to_numpy(ak.flatten(jets.track_d0_significance[jets.flavour == flavour]))
        displaced[flavour] = (found > 3).mean()
    assert displaced[5] > 0.2 > displaced[4] > 0.05 > displaced[0]
    assert ak.all((jets.hadron_pt > 5) == (jets.flavour > 0))


def test_tracks_lie_in_their_jet(made):
    jets = made[1]
    assert ak.max(jets.track_dr) < 0.4
    assert ak.all(jets.track_pt > 1)
    np.testing.assert_allclose(
        ak.to_numpy(ak.flatten(jets.track_pt_fraction * jets.jet_pt)),
        ak.to_numpy(ak.flatten(jets.track_pt)),
        rtol=1e-5,
    )


def test_the_truth_of_tracks_fits_the_flavour_and_the_impact_parameters(made):
    jets = made[1]
    of = {code: ak.sum(jets.track_origin == code, axis=1) for code in range(2, 8)}
    heavy = of[3] + of[4]
    assert ak.mean(heavy[jets.flavour == 5] > 0) > 0.8
    assert ak.mean(heavy[jets.flavour == 0] > 0) < 0.2
    assert ak.mean(of[5][jets.flavour == 4] > 0) > 0.7
    assert set(np.unique(ak.to_numpy(ak.flatten(jets.track_origin)))) <= {2, 3, 4, 5, 6, 7}
    significance = np.abs(ak.flatten(jets.track_d0_significance))
    origin = ak.flatten(jets.track_origin)
    assert np.median(significance[origin == 2]) < 1 < np.median(significance[origin == 3])


def test_tracks_of_a_vertex_have_indices_without_gaps_and_one_kind_of_origin(made):
    jets = made[1]
    for vertex, origin in zip(jets.track_vertex, jets.track_origin, strict=True):
        found = np.unique(ak.to_numpy(vertex))
        assert found.tolist() == list(range(len(found)))
        primary = np.unique(ak.to_numpy(vertex[origin == 2]))
        assert len(primary) <= 1


@given(
    places=st.lists(st.integers(0, 30), min_size=1, max_size=20),
    events=st.lists(st.integers(0, 3), min_size=20, max_size=20),
)
def test_vertices_are_chains_of_places_within_their_distance(places, events):
    from bunchtrain.simulation.pythia.track_truth import vertex_index

    event, x = np.array(events[: len(places)]), np.array(places)
    found = vertex_index(event, np.column_stack([0.09 * x, 0 * x, 0 * x]))
    for i in range(len(x)):
        for j in range(len(x)):
            own = np.unique(x[event == event[i]])
            between = own[(own >= min(x[i], x[j])) & (own <= max(x[i], x[j]))]
            linked = event[i] == event[j] and np.all(np.diff(between) <= 1)
            assert (found[i] == found[j]) == linked


def test_descendants_are_found_along_the_whole_chain():
    from bunchtrain.simulation.pythia.track_truth import _descends

    mother = np.array([0, 0, 1, 2, 3, 4, 5, 0, 7])
    chosen = np.array([0, 0, 1, 0, 0, 0, 0, 0, 0], bool)
    assert _descends(chosen, mother).tolist() == [0, 0, 0, 1, 1, 1, 1, 0, 0]
