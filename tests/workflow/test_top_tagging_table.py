"""The study of all taggers: each size can be built, and a small one runs from end to end."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.report.key_table import published_metrics
from bunchtrain.study import load, model_configs
from bunchtrain.workflow.preparation import check_models

#: Rows of Table 1 of arXiv:1902.09914 and their 1/ε_B at ε_S = 0.3, from the best down.
TABLE_1 = {
    "particle_net": 1298, "resnext": 1122, "tree_nin": 1025, "image_cnn": 914,
    "particle_flow_network": 891, "n_subjettiness_8": 867, "lbn": 836, "n_subjettiness_6": 792,
    "p_cnn": 732, "lola": 722, "energy_flow_network": 633, "energy_flow_polynomials": 384,
    "topo_dnn": 295, "lda": 151,
}  # fmt: skip
TINY = {
    "select": "jet_pt > 620",
    "source": {"name": "files", "files": str(SAMPLE)},
    "models.topo_dnn.training.epochs": 2,
    "models.topo_dnn.seeds": 2,
    "models.particle_flow_network.training.epochs": 1,
    "models.n_subjettiness_6": None,
    "models.lda.seeds": 1,
    "models.lda.model": {"name": "latent_dirichlet_allocation", "iterations": 3},
    "models.energy_flow_polynomials.representation.degree": 3,
}


@pytest.mark.parametrize("size", ["small", "full"])
def test_all_rows_of_the_published_table_are_there_and_can_be_built(size):
    study = load("top_tagging_table", size=size)
    known = model_configs(study)
    published = published_metrics(study)
    given = {name: published[name].metrics["rejection_30"].value for name in TABLE_1}
    assert given == TABLE_1
    assert study.ensembles["goat"].of == [n for n in known if n in TABLE_1]
    check_models(study)


def test_what_is_smaller_at_small_size_is_said_beside_the_figures():
    known = model_configs(load("top_tagging_table", size="small"))
    for name, member in model_configs(load("top_tagging_table", size="full")).items():
        ours = known[name]
        if ours.model != member.model or ours.training.events:
            assert ours.note, name


def test_the_demo_runs_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "bunchtrain.workflow.graph.default_graph.write_report", lambda files: None
    )  # tested elsewhere
    run = bunchtrain.run(
        load("top_tagging_table", size="demo", **TINY), runs=tmp_path / "runs", jobs=1
    )
    rows = {"topo_dnn", "lda", "energy_flow_polynomials", "particle_flow_network", "boosted_trees"}
    assert set(run.metrics) == rows | {"goat", "goat_trained"}
    assert run.metrics["topo_dnn"]["auc"]["seeds"] == 2
    scores = pq.read_table(run.files.predictions_file)
    mean = np.mean([scores[f"{name}_top"].to_numpy() for name in rows], axis=0)
    np.testing.assert_allclose(scores["goat_top"].to_numpy(), mean, atol=1e-6)
