"""Resonances to tt̄: columns, selection, masses, and a peak where the mass is."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.tables.expressions.expression import evaluate
from samples import sample  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    pytest.importorskip("pythia8mc")
    folder = str(tmp_path_factory.mktemp("cache"))
    source = sample(
        "resonances", events=200, masses=(500, 1500), part=100, processes=1, folder=folder
    )
    source.prepare()
    return source, ak.concatenate(list(source.blocks(list(source.fields()), 1000)))


def test_columns_are_those_that_are_promised(made):
    source, events = made
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert ak.to_list(events.is_signal) == [True, False] * 100
    assert ak.to_list(events.mass) == [500.0, 0.0] * 50 + [1500.0, 0.0] * 50
    assert ak.to_list(events.event_id) == list(range(200))


def test_events_have_four_quarks_two_of_them_b(made):
    events = made[1]
    assert ak.all(ak.num(events.jet_pt) == 4)
    assert ak.all(ak.sum(events.jet_is_b, axis=1) == 2)
    assert ak.all(events.jet_pt[:, :-1] >= events.jet_pt[:, 1:])
    assert ak.min(events.lepton_pt) > 25
    assert ak.min(events.jet_pt) > 20
    assert max(ak.max(np.abs(events.jet_eta)), ak.max(np.abs(events.lepton_eta))) < 2.5


def test_the_hadronic_top_and_the_resonance_are_found_in_the_masses(made):
    events = made[1]
    hadrons = "p4(jet_pt, jet_eta, jet_phi, 0 * jet_pt).sum()"
    lepton = "p4(lepton_pt, lepton_eta, lepton_phi, 0)"
    missing = "p4(missing_pt, 0 * missing_pt, missing_phi, 0)"
    total = ak.to_numpy(evaluate(f"({hadrons} + {lepton} + {missing}).mass", events))
    light = "p4(jet_pt, jet_eta, jet_phi, 0 * jet_pt)[not jet_is_b].sum().mass"
    assert np.median(ak.to_numpy(evaluate(light, events))) == pytest.approx(80.4, rel=0.1)
    for mass in (500, 1500):
        own = np.median(total[ak.to_numpy(events.mass) == mass])
        assert own == pytest.approx(mass, rel=0.2)


def test_options_out_of_range_are_refused():
    with pytest.raises(StudyError, match="at least 400 GeV"):
        sample("resonances", masses=(300,))
    with pytest.raises(StudyError, match="part must be even"):
        sample("resonances", part=3)
