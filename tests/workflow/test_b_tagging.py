"""The study of flavour tagging from start to finish, on made-up tracks."""

import awkward as ak
import numpy as np
import pytest

import bunchtrain
from bunchtrain.simulation.pythia.layout import B_JETS
from bunchtrain.study import load


def made_up_jets(path, jets=360):
    """Write jets whose tracks lie the farther from the collision, the heavier the flavour."""
    random = np.random.default_rng(1)
    flavour = np.array([5, 4, 0])[np.arange(jets) % 3]
    tracks = random.integers(0, 8, jets)
    tracks[-1] = 0
    events = {
        "event_id": np.arange(jets),
        "flavour": flavour,
        "jet_pt": random.uniform(20, 300, jets),
        **{name: random.uniform(-1, 1, jets) for name in ("jet_eta", "jet_phi", "jet_mass")},
    }
    for name in B_JETS:
        if name.startswith("track_"):
            values = random.uniform(0.1, 1, tracks.sum())
            if name.endswith("significance"):
                values = random.normal(0, 1 + np.repeat(flavour, tracks), tracks.sum())
            events[name] = ak.unflatten(values.astype(np.float32), tracks)
    ak.to_parquet(ak.zip(events, depth_limit=1), path)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b_tagging")
    source = {"name": "files", "files": str(made_up_jets(folder / "jets.parquet"))}
    changes = {"training.epochs": 2, "training.threads": 1, "models.gated": None}
    study = load("b_tagging", source=source, **changes)
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_heavier_flavours_are_told_from_light_jets(done):
    assert list(done.metrics) == ["recurrent", "deep_set", "boosted_trees"]
    assert done.metrics["boosted_trees"]["auc"]["value"] > 0.6


def test_the_report_has_the_working_points_and_an_efficiency_of_each_flavour(done):
    page = done.files.report_file.read_text(encoding="utf-8")
    assert "Working points" in page
    assert "1/ε, light" in page
    for flavour in ("b", "c", "light"):
        for column in ("absolute_eta", "jet_pt"):
            assert f"Efficiency of {flavour} against {column}, at an overall ε_S of 0.85" in page
    for name, figures in done.metrics.items():
        tight, loose = (figures[f"working_point_{e}_cut"]["value"] for e in (60, 85))
        assert tight >= loose, name
        assert (
            figures["working_point_60/light"]["value"]
            >= (figures["working_point_85/light"]["value"])
        )
