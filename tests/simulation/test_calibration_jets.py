"""Jets before and after the detector."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import StudyError
from samples import sample  # type: ignore[import-not-found]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    source = sample("calibration_jets", jets=100, part=100, processes=1, folder=folder)
    source.prepare()
    return source, ak.from_arrow(pq.read_table(source.parts()[0]))


def test_columns_are_those_that_are_promised(made):
    source, jets = made
    assert {name: str(jets[name].type.content) for name in jets.fields} == source.fields()
    assert ak.to_list(jets.event_id) == list(range(100))


def test_the_measured_jet_is_the_true_one_smeared(made):
    jets = made[1]
    assert ak.all((jets.true_pt > 30) & (jets.true_pt < 1000) & (np.abs(jets.true_eta) < 2.5))
    response = ak.to_numpy(jets.jet_pt / jets.true_pt)
    assert np.median(response) == pytest.approx(0.985, abs=0.03)
    assert 0.02 < response.std() < 0.12
    assert ak.max(np.abs(jets.jet_eta - jets.true_eta)) < 0.2


def test_constituents_add_up_to_the_measured_jet(made):
    jets = made[1]
    total = np.hypot(ak.sum(jets.constituent_px, 1), ak.sum(jets.constituent_py, 1))
    np.testing.assert_allclose(ak.to_numpy(total), ak.to_numpy(jets.jet_pt), rtol=1e-4)


def test_weights_give_back_the_falling_spectrum(made):
    pt, weight = (ak.to_numpy(made[1][name]) for name in ("true_pt", "weight"))
    soft = pt < 150
    assert 0.2 < soft.mean() < 0.8
    assert weight[soft].sum() > 30 * weight[~soft].sum()


def test_a_window_that_falls_is_refused():
    with pytest.raises(StudyError, match="pt_min and pt_max must rise from 20 GeV"):
        sample("calibration_jets", pt_min=500.0, pt_max=100.0)
