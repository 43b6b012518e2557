"""W and QCD jets, and the five classes of the trigger benchmark: what a small sample must show."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.simulation import _sample
from samples import sample  # type: ignore[import-not-found]


def made(source):
    source.prepare()
    return source, ak.concatenate([ak.from_arrow(pq.read_table(path)) for path in source.parts()])


@pytest.fixture(scope="module")
def w_jets(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    return made(sample("w_jets", jets=40, part=40, processes=1, folder=folder))


@pytest.fixture(scope="module")
def trigger_jets(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    return made(sample("trigger_jets", jets=30, part=30, processes=1, folder=folder))


def median(values):
    return float(np.median(ak.to_numpy(values)))


def test_samples_that_are_made_keep_their_key(monkeypatch):
    monkeypatch.setattr(_sample, "version", {"pythia8mc": "8.317.2", "fastjet": "3.5.2.0"}.get)
    assert sample("boosted_jets").key() == "e5a69e406545e431"


def test_classes_come_in_turn(w_jets, trigger_jets):
    assert ak.to_list(w_jets[1].is_w) == [True, False] * 20
    assert ak.to_list(trigger_jets[1].label) == [0, 1, 2, 3, 4] * 6


def test_columns_are_those_that_are_promised(w_jets, trigger_jets):
    for source, jets in (w_jets, trigger_jets):
        assert {name: str(jets[name].type.content) for name in jets.fields} == source.fields()
        assert ak.to_list(jets.event_id) == list(range(len(jets)))


def test_w_jets_lie_in_the_window_and_have_the_mass_of_the_w(w_jets):
    jets = w_jets[1]
    assert ak.all((jets.jet_pt > 300) & (jets.jet_pt < 400) & (np.abs(jets.jet_eta) < 2))
    signal, background = jets[jets.is_w], jets[~jets.is_w]
    assert median(signal.jet_mass) == pytest.approx(82, abs=6)
    assert median(signal.jet_pt / signal.truth_pt) == pytest.approx(1, abs=0.05)
    assert ak.all(background.truth_pt == 0)


def test_trigger_jets_have_the_masses_of_their_partons_and_the_pt_of_the_window(trigger_jets):
    jets = trigger_jets[1]
    masses = [median(jets.jet_mass[jets.label == label]) for label in (2, 3, 4)]
    assert masses == pytest.approx([86, 95, 182], abs=14)
    assert masses == sorted(masses)
    assert ak.all((jets.jet_pt > 800) & (jets.jet_pt < 1600))
    assert median(jets.truth_pt) == pytest.approx(1000, abs=30)


@pytest.mark.parametrize(
    ("source", "options", "message"),
    [
        ("w_jets", {"pt_max": 200.0}, "w_jets: pt_min and pt_max must rise from 50 GeV"),
        ("trigger_jets", {"part": 12}, "trigger_jets: part must be a multiple of 5, got 12"),
        ("trigger_jets", {"spread": 0.9}, "spread between 0.001 and 0.5, got 1000 and 0.9"),
        ("trigger_jets", {"constituents": 0}, "constituents: must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(source, options, message):
    with pytest.raises(StudyError, match=message):
        sample(source, **options)
