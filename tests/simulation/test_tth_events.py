"""Whole events of ttH and ttbb: selection, tags, and what the particles add up to."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.simulation.pythia.event_objects import (
    by_event,
    isolated_leptons,
    tag_probability,
)
from bunchtrain.simulation.pythia.particles import Particles
from samples import sample  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    source = sample("tth_events", events=8, tags=1, part=8, processes=1, folder=folder)
    source.prepare()
    return source, ak.from_arrow(pq.read_table(source.parts()[0]))


def test_columns_are_those_that_are_promised(made):
    source, events = made
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert ak.to_list(events.is_tth) == [True, False] * 4
    assert ak.to_list(events.lepton_charge) == [1, 1, -1, -1] * 2


def test_events_are_selected(made):
    events = made[1]
    assert ak.all(ak.num(events.jet_pt) >= 4)
    assert ak.all(ak.sum(events.jet_tag, axis=1) >= 1)
    assert ak.min(events.lepton_pt) > 25
    assert ak.min(events.jet_pt) > 25
    assert ak.max(np.abs(events.jet_eta)) < 2.5


def test_both_kinds_of_events_are_rich_in_b_jets(made):
    events = made[1]
    number = ak.sum(events.jet_flavour == 5, axis=1)
    assert ak.mean(number[events.is_tth]) >= 2
    assert ak.mean(number[~events.is_tth]) >= 2


def test_particles_balance_the_missing_momentum_but_for_the_softest(made):
    events = made[1]
    across, along = ak.sum(events.particle_px, 1), ak.sum(events.particle_py, 1)
    lost_x = across + events.missing_pt * np.cos(events.missing_phi)
    lost_y = along + events.missing_pt * np.sin(events.missing_phi)
    assert ak.max(np.hypot(lost_x, lost_y)) < 25
    charged = ak.to_numpy(ak.flatten(events.particle_charge)) != 0
    assert (charged == np.isin(ak.to_numpy(ak.flatten(events.particle_kind)), (1, 3, 4))).all()


def test_tag_probability_is_that_of_the_card():
    pt, flavour = np.array([100.0, 100.0, 100.0]), np.array([5, 4, 0])
    expected = [
        0.8 * np.tanh(0.3) * 30 / 9.6,
        0.2 * np.tanh(2.0) / 1.34,
        0.002 + 7.3e-4,
    ]
    np.testing.assert_allclose(tag_probability(pt, flavour), expected)


def test_a_lepton_in_a_jet_is_not_isolated():
    pt = np.array([40.0, 3.0, 40.0, 20.0])
    phi = np.array([0.0, 0.2, 0.0, 0.2])
    momentum = (pt * np.cos(phi), pt * np.sin(phi), np.zeros(4), pt)
    species = np.array([13, 22, 11, 22]), np.array([-1, 0, -1, 0])
    particles = Particles(np.array([0, 0, 1, 1]), *species, *momentum)
    found = isolated_leptons(by_event(particles, 3))
    assert ak.to_list(ak.num(found)) == [1, 0, 0]
    assert found.kind[0, 0] == 4


def test_more_tags_than_jets_are_refused():
    with pytest.raises(StudyError, match="tags must not exceed jets"):
        sample("tth_events", jets=4, tags=5)
