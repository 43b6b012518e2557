"""The study of jets, tracks and vertices in one network, on made-up tracks."""

import awkward as ak
import numpy as np
import pytest
from test_b_tagging import made_up_jets  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b_jet_vertices")
    events = ak.from_parquet(made_up_jets(folder / "jets.parquet"))
    random, counts = np.random.default_rng(1), ak.num(events.track_pt)
    far = ak.to_numpy(ak.flatten(np.abs(events.track_d0_significance))) > 2
    origin = np.where(far, random.choice([3, 4, 5, 7], len(far)), 2)
    events = ak.with_field(events, ak.unflatten(origin, counts), "track_origin")
    vertex = ak.unflatten(far.astype(int), counts)
    ak.to_parquet(ak.with_field(events, vertex, "track_vertex"), folder / "jets.parquet")
    source = {"name": "files", "files": str(folder / "jets.parquet")}
    changes = {"training.epochs": 15, "training.batch_size": 16, "training.threads": 1}
    study = load("b_jet_vertices", source=source, **changes)
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_all_heads_learn(done):
    found = done.metrics["all_tasks"]
    assert found["origin:auc_macro"]["value"] > 0.6
    assert found["vertex:auc"]["value"] > 0.6
    assert "jet:auc" in found
    for name in ("flavour_alone", "boosted_trees"):
        assert "vertex:auc" not in done.metrics[name]
        assert "jet:auc" in done.metrics[name]
