"""Events with pile-up: measured particles and their true jets."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import StudyError
from samples import sample  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    options = {"events": 60, "part": 60, "pool": 100, "pile_up": 8.0}
    source = sample("pile_up_jets", **options, processes=1, folder=folder)
    source.prepare()
    return source, ak.from_arrow(pq.read_table(source.parts()[0]))


def pt_of(events):
    return np.hypot(events.particle_px, events.particle_py)


def test_columns_are_those_of_the_layout(made):
    source, events = made
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert ak.to_list(events.event_id) == list(range(60))


def test_particles_are_ordered_and_within_reach(made):
    events = made[1]
    pt = pt_of(events)
    assert ak.all(pt[:, 1:] <= pt[:, :-1])
    assert ak.all(pt > 0.5)
    eta = np.arcsinh(events.particle_pz / pt)
    assert ak.all(np.abs(eta) < 3.001)
    mass2 = events.particle_energy**2 - pt**2 - events.particle_pz**2
    assert ak.all(mass2 > -1e-3 * events.particle_energy**2)


def test_the_number_of_soft_collisions_gives_the_number_of_particles(made):
    events = made[1]
    assert np.mean(events.pile_up) == pytest.approx(8, abs=1.5)
    soft = ak.to_numpy(ak.sum(~events.particle_hard, axis=1))
    assert 0.3 < np.corrcoef(ak.to_numpy(events.pile_up), soft)[0, 1] < 1
    assert 20 < soft.sum() / ak.sum(events.pile_up) < 60
    assert np.all(soft[ak.to_numpy(events.pile_up) == 0] == 0)


def test_vertices_are_those_of_tracks(made):
    events = made[1]
    has_track = events.particle_charge != 0
    assert ak.all((events.particle_vertex != 0) == has_track)
    assert ak.all((events.particle_vertex == 1)[has_track] == events.particle_hard[has_track])
    kinds = set(ak.to_numpy(ak.flatten(events.particle_kind[~has_track])))
    assert kinds <= {0, 2}


def test_true_jets_are_made_of_hard_particles_near_them(made):
    events = made[1]
    assert ak.all(events.jet_pt[:, 1:] <= events.jet_pt[:, :-1])
    assert ak.all(events.jet_pt > 20)
    own = events.particle_jet >= 0
    assert ak.all(events.particle_hard[own])
    assert ak.all(events.particle_jet < ak.num(events.jet_pt))
    jet = events.particle_jet[own]
    eta = np.arcsinh(events.particle_pz / pt_of(events))[own]
    phi = np.arctan2(events.particle_py, events.particle_px)[own]
    turn = (phi - events.jet_phi[jet] + np.pi) % (2 * np.pi) - np.pi
    apart = np.hypot(eta - events.jet_eta[jet], turn)
    assert np.mean(ak.flatten(apart) < 0.4) > 0.98


def test_the_measured_sum_is_near_the_true_momentum(made):
    events = made[1]
    inner = np.abs(events.jet_eta) < 2.5
    response = ak.to_numpy(ak.flatten((events.jet_visible_pt / events.jet_pt)[inner]))
    assert np.median(response) == pytest.approx(0.98, abs=0.04)
    by_hand = sum(
        pt for pt, jet in zip(pt_of(events)[3], events.particle_jet[3], strict=True) if jet == 0
    )
    assert by_hand == pytest.approx(events.jet_visible_pt[3, 0], rel=1e-5)


def test_a_part_does_not_depend_on_the_length_of_the_sample(made):
    source = made[0]
    longer = sample("pile_up_jets", events=90, part=60, pool=100, pile_up=8.0, folder=None)
    assert longer.key() == source.key()
    assert source._maker()(0).equals(pq.read_table(source.parts()[0]))


def test_what_is_refused():
    with pytest.raises(StudyError, match="pt_min and pt_max must rise from 10 GeV"):
        sample("pile_up_jets", pt_min=50.0, pt_max=40.0)
    with pytest.raises(StudyError, match="radius must lie between"):
        sample("pile_up_jets", radius=3.0)
