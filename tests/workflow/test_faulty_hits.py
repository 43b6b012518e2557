"""Faults of hits and of their truth, in studies of showers: what each ends in."""

import awkward as ak
import numpy as np
import pytest

import bunchtrain
from bunchtrain.errors import DataError
from bunchtrain.study.loading import validate

EVENTS, WIDTH = 40, 4
CONDENSATION = {
    "targets": {"shower": {"on": "hit", "values": {
        "number": "hit_particle", "energy": "log(particle_energy[hit_particle])"}}},
    "truth": {"particle": {"on": "hit", "ids": "hit_particle"}},
    "loss": {"name": "object_condensation", "dimensions": 2},
    "transforms": {"showers": {"name": "condensation"}},
    "evaluation": [{"name": "clustering_efficiency", "energy": "hit_energy", "least": 1,
                    "particles": "particle", "log_energy": "energy",
                    "object_energy": "particle_energy", "select": "particle_energy > 0"}],
}  # fmt: skip
FRACTIONS = {
    "targets": {"shower": {"on": "hit", "values": {"first": "hit_first", "second": "hit_second"}}},
    "loss": "energy_fractions",
    "evaluation": [{"name": "shower_fractions"}],
}
KINDS = {"condensation": CONDENSATION, "fractions": FRACTIONS}


def showers():
    """Return events of two showers of two hits each; the last one has no hit."""
    random = np.random.default_rng(1)
    energy = random.uniform(0.1, 1.0, (EVENTS, WIDTH))
    columns = {
        "hit_x": random.normal([-2, -2, 2, 2], 0.3, (EVENTS, WIDTH)),
        "hit_energy": energy,
        "hit_first": energy * [1, 1, 0, 0],
        "hit_second": energy * [0, 0, 1, 1],
        "hit_particle": np.tile([0, 0, 1, 1], (EVENTS, 1)),
    }
    lists = {name: one.tolist() for name, one in columns.items()}
    for one in lists.values():
        one[-1] = []
    lists["particle_energy"] = random.uniform(1, 9, (EVENTS, 2)).tolist()
    return lists


def study_of(folder, kind, lists):
    ak.to_parquet(ak.Array(lists), folder / "showers.parquet")
    return validate(
        {
            "name": "showers",
            "source": {"name": "files", "files": str(folder / "showers.parquet")},
            "split": {"name": "fraction", "train": 0.5, "validation": 0.2, "test": 0.3},
            "spectators": ["hit_x", "hit_energy", "particle_energy"],
            "representation": {"name": "point_cloud", "group": "hit", "coordinates": ["x"],
                               "features": ["x", "log(energy)"]},
            "model": {"name": "gar_net", "keep": True, "points": WIDTH},
            "training": {"epochs": 1, "batch_size": 8, "threads": 1},
            **KINDS[kind],
        }
    )  # fmt: skip


def change(lists, column, event, hit, value):
    lists[column][event][hit] = value
    return lists


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_without_hits_has_a_row_without_predictions(tmp_path, kind):
    run = bunchtrain.run(study_of(tmp_path, kind, showers()), runs=tmp_path / "runs", jobs=1)
    run.predict(str(tmp_path / "showers.parquet"), tmp_path / "scores.parquet")
    found = ak.from_parquet(tmp_path / "scores.parquet")
    assert len(found) == EVENTS
    for column in found.fields:
        if column.startswith("gar_net_"):
            assert ak.num(found[column]).to_list() == [WIDTH] * (EVENTS - 1) + [0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("energy", [float("nan"), -0.5])
def test_an_energy_that_has_no_logarithm_is_named_with_its_event(tmp_path, kind, energy):
    lists = change(showers(), "hit_energy", 7, 2, energy)
    with pytest.raises(
        DataError, match=r"'log\(energy\)' of 'features' is NaN in entry 7, point 2"
    ):
        bunchtrain.run(study_of(tmp_path, kind, lists), runs=tmp_path / "runs", jobs=1)


def test_a_negative_energy_of_a_shower_in_a_hit_is_named(tmp_path):
    lists = change(showers(), "hit_first", 7, 1, -0.5)
    with pytest.raises(DataError, match=r"'first' of point 1 of an event is -0\.5"):
        bunchtrain.run(study_of(tmp_path, "fractions", lists), runs=tmp_path / "runs", jobs=1)


def test_a_hit_of_a_shower_that_does_not_exist_is_named(tmp_path):
    lists = change(showers(), "hit_particle", 7, 1, 5)
    with pytest.raises(DataError, match="is nan at entry 7, point 1; exclude such events"):
        bunchtrain.run(study_of(tmp_path, "condensation", lists), runs=tmp_path / "runs", jobs=1)
