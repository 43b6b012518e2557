"""Condensation of points by brute force, and a run from the loss to objects with an efficiency."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bunchtrain
from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.report.results import Results
from bunchtrain.study.loading import validate
from bunchtrain.targets import Target
from bunchtrain.transforms.condensation import condense

SHOWERS = {
    **{"name": "bock", "events": 60, "width": 600.0, "particles": ["pi-"], "energy": [20.0]},
    "layers": [{"repeat": 6, "of": [
        {"material": "G4_Fe", "thickness": 90.0},
        {"material": "G4_POLYSTYRENE", "thickness": 5.0, "cell": 30.0},
    ]}],
}  # fmt: skip


def one_by_one(beta, places, threshold, distance):
    """Return the centre of each point of one event."""
    found = [-1] * len(beta)
    while True:
        free = [i for i in range(len(beta)) if found[i] < 0 and beta[i] >= threshold]
        if not free:
            return found
        centre = max(free, key=lambda i: (beta[i], -i))
        for i in range(len(beta)):
            if found[i] < 0 and ((places[i] - places[centre]) ** 2).sum() <= distance**2:
                found[i] = centre


@settings(max_examples=50, deadline=None)
@given(counts=st.lists(st.integers(0, 15), min_size=1, max_size=5), seed=st.integers(0, 1000))
def test_the_points_are_taken_one_centre_after_another(counts, seed):
    random = np.random.default_rng(seed)
    beta = random.uniform(0, 1, sum(counts)).round(1)  # with equal ones
    places = random.uniform(0, 3, (len(beta), 2))
    event = np.repeat(np.arange(len(counts)), counts)
    found, first = condense(beta, places, event, 0.4, 0.8), 0
    for n in counts:
        own = slice(first, first + n)
        wanted = np.array(one_by_one(beta[own], places[own], 0.4, 0.8), dtype=int)
        assert np.array_equal(found[own], np.where(wanted < 0, -1, wanted + first))
        first += n


def test_points_without_a_prediction_are_of_no_object():
    beta = np.array([0.9, np.nan, 0.2])
    places = np.array([[0.0], [np.nan], [0.1]])
    assert condense(beta, places, np.zeros(3, int), 0.5, 1.0).tolist() == [0, -1, 0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("condensation")
    study = {
        "name": "showers",
        "source": {"name": "overlaid_showers", "showers": SHOWERS, "events": 200, "count": [1, 3],
                   "spread": 240.0, "threshold": 0.002, "groups": 4},
        "define": {"particle_scaled": "particle_energy / 20"},
        "targets": {"shower": {"on": "hit", "values": {
            "number": "hit_particle", "energy": "log(particle_scaled[hit_particle])",
            "first": "hit_particle == 0"}}},
        "truth": {"particle": {"on": "hit", "ids": "hit_particle"}},
        "spectators": ["hit_x", "hit_y", "hit_z", "hit_energy", "particle_energy",
                       "particle_visible", "particle_scaled"],
        "representation": {"name": "point_cloud", "group": "hit",
                           "coordinates": ["x / 30", "y / 30"],
                           "features": ["x", "y", "layer", "log(energy)"]},
        "model": {"name": "grav_net", "blocks": 2, "dense": [32], "filters": 32, "k": 8},
        "loss": "object_condensation",
        "training": {"epochs": 8, "batch_size": 8, "learning_rate": 0.005, "threads": 1},
        "transforms": {"showers": {"name": "condensation", "min_points": 3}},
        "evaluation": [{"name": "tracking_efficiency", "matching": "double_majority", "baseline": {
            "name": "clue", "density_distance": 45.0, "seed_density": 0.02, "scales": [1, 1, 10]}},
            {"name": "clustering_efficiency", "energy": "hit_energy", "particles": "particle",
             "true_energy": "particle_visible", "log_energy": "energy",
             "object_energy": "particle_scaled", "object_class": "first",
             "against": ["particle_energy"], "baselines": {
                "clusters": {"name": "clue", "scales": [1, 1, 10], "density_distance": 45.0,
                    "scan": {"seed_density": [0.001, 0.02, 50.0]}},
                "dense": {"name": "dbscan", "distance": 45.0, "core": 0.01,
                          "scales": [1, 1, 10]}}}],
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder))
        yield bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


def test_a_trained_network_finds_most_showers(run):
    found = run.metrics["grav_net"]
    assert found["track_efficiency"]["value"] > 0.5
    assert found["fake_rate"]["value"] < 0.6
    index = run.predictions.columns["grav_net_showers"]
    assert len(index) == len(run.predictions)
    assert "clue" in run.files.report_file.read_text(encoding="utf-8")


def test_clusters_are_compared_with_scanned_rivals(run):
    found = run.metrics["grav_net"]
    assert found["cluster_efficiency"]["value"] > 0.5
    assert found["cluster_response"]["value"] == pytest.approx(1.0, abs=0.2)
    assert found["cluster_fake_rate"]["value"] + found["cluster_split_rate"]["value"] < 0.7
    folder = run.files.path / "evaluations" / "clustering_efficiency"
    rows = {row[0]: row for row in Results.load(folder).tables[0].rows}
    assert {"grav_net", "clusters", "dense"} <= set(rows)
    # All showers have one energy, and nothing tells the first of them.
    assert found["object_energy_response"]["value"] == pytest.approx(1.0, abs=0.1)
    assert 0 < found["object_class_accuracy"]["value"] < 1
    energies, classes = (Results.load(folder).tables[k].rows for k in (1, 2))
    names = ["grav_net", "grav_net, sum", "grav_net, sum by class"]
    assert [row[0] for row in energies][:3] == names
    assert {"clusters, sum", "dense, sum"} <= {row[0] for row in energies}
    assert [row[0] for row in classes] == ["grav_net"]
    # No hit has the density of 50 GeV, so that the scan does not choose it.
    assert float(rows["clusters"][1].split()[0]) > 0.5


def test_what_is_refused():
    made = parts.build("transform", "condensation", {"target": "shover"})
    targets = {"shower": Target("shower", values=("number",), axis="point")}
    with pytest.raises(StudyError, match=r"points with the loss.*did you mean 'shower'"):
        made.read_target(targets)
    assert parts.build("transform", "condensation", {}).read_target(targets).name == "shower"
    with pytest.raises(StudyError, match="needs the loss 'object_condensation'"):
        made.label(None, np.array([1]), {"number": np.zeros(1)})
