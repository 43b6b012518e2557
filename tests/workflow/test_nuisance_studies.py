"""The studies of a skewed detector and of uncertain energy scales from start to finish."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import RunError, UserError
from bunchtrain.study import load
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.workflow.reweighting import reweight
from bunchtrain.workflow.shifting import shift

DATA = Path(os.environ.get("BUNCHTRAIN_DATA", Path(__file__).parents[3] / "shared" / "data"))
SMALL = {"training.epochs": 2, "training.batch_size": 128, "training.threads": 1}


@pytest.fixture(scope="module")
def skewed(tmp_path_factory):
    """Made-up events with the columns of the study, of which one is shifted in half of them."""
    folder = tmp_path_factory.mktemp("skewed")
    study = load("detector_skew")
    texts = [*study.define.values(), *study.representation.options["features"]]
    columns = sorted(
        {name for text in texts for name in Expression(text).columns} - {*study.define}
    )
    random, skew = np.random.default_rng(1), np.arange(1500) % 2
    table = pd.DataFrame(30 + random.normal(size=(1500, len(columns))), columns=columns)
    table["PRI_tau_pt"] += 1.2 * skew
    table.assign(isSkewed=skew).to_csv(folder / "events.csv.gz", index=False)
    before = os.environ.get("BUNCHTRAIN_CACHE")
    os.environ["BUNCHTRAIN_CACHE"] = str(folder / "cache")
    changes = {**SMALL, "source.files": str(folder / "events.csv.gz")}
    changes |= {
        "training.epochs": 6,
        "training.learning_rate": 0.01,
        "training.schedule": "constant",
    }
    changes |= {f"models.{name}.model.widths": [16] for name in ("dense_network", "adversary")}
    study = load("detector_skew", **changes, **{"models.boosted_trees.model.trees": 20})
    yield bunchtrain.run(study, runs=folder / "runs", jobs=1)
    if before is None:
        del os.environ["BUNCHTRAIN_CACHE"]
    else:
        os.environ["BUNCHTRAIN_CACHE"] = before


def test_detector_skew_is_found_and_reweighted_away(skewed, tmp_path, monkeypatch):
    assert skewed.metrics["boosted_trees"]["auc"]["value"] > 0.65
    output = tmp_path / "weights.parquet"
    found = reweight([skewed], output).found
    assert list(found) == ["none", "boosted_trees", "dense_network", "adversary"]
    before, after = found["none"], found["dense_network"]
    assert after.chi2["log_tau_pt"] < 0.6 * before.chi2["log_tau_pt"]
    assert after.auc.value < before.auc.value
    table = pq.read_table(output).to_pandas()
    tested = skewed.predictions.columns["entry"]
    assert len(table) == 1500
    assert table["dense_network_weight"].notna().sum() == len(tested)
    nominal = [entry for entry in tested if entry % 2 == 0]
    assert table["adversary_weight"][nominal].mean() == pytest.approx(1, abs=1e-4)
    assert (skewed.folder / "closure.svg").is_file()


def test_what_cannot_be_reweighted_is_told(skewed):
    with pytest.raises(RunError, match="two of the runs test the same events"):
        reweight([skewed, skewed])
    with pytest.raises(UserError, match=r"weights are written as \.root or \.parquet"):
        reweight([skewed], "weights.csv")


@pytest.mark.skipif(not (DATA / "higgs").is_dir(), reason="the shared data are not here")
def test_higgs_uncertainty_runs_and_shifts(tmp_path):
    study = load("higgs_uncertainty", **{**SMALL, "training.events": 600, "training.epochs": 1})
    run = bunchtrain.run(study, runs=tmp_path, only=["aware", "pivot"], jobs=1)
    moved = shift(run, {"tau_scale": None}).table["aware"]["tau_scale"]
    assert moved["signal_passing_50"][1].error > 0
    table = run.predictions.columns
    assert 110 < (table["event"] == 1).sum() < 176
