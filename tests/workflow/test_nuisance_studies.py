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
    found = bunchtrain.evaluate(skewed, "reweighting", output=str(output)).details
    assert list(found) == ["none", "boosted_trees", "dense_network", "adversary"]
    before, after = found["none"], found["dense_network"]
    assert after["chi2"]["log_tau_pt"] < 0.6 * before["chi2"]["log_tau_pt"]
    assert after["auc"]["value"] < before["auc"]["value"]
    table = pq.read_table(output).to_pandas()
    tested = skewed.predictions.columns["entry"]
    assert len(table) == 1500
    assert table["dense_network_weight"].notna().sum() == len(tested)
    nominal = [entry for entry in tested if entry % 2 == 0]
    assert table["adversary_weight"][nominal].mean() == pytest.approx(1, abs=1e-4)
    assert "Reweighting of simulation to data" in skewed.files.report_file.read_text()


def test_unsuitable_runs_and_outputs_of_a_reweighting_are_errors(skewed):
    with pytest.raises(RunError, match="two of the runs test the same events"):
        bunchtrain.evaluate([skewed, skewed], "reweighting")
    with pytest.raises(UserError, match=r"'weights.csv' must end in \.root or \.parquet"):
        bunchtrain.evaluate(skewed, "reweighting", output="weights.csv")


@pytest.mark.skipif(not (DATA / "higgs").is_dir(), reason="the shared data are not here")
def test_higgs_uncertainty_runs_and_shifts(tmp_path):
    study = load("higgs_uncertainty", **{**SMALL, "training.events": 600, "training.epochs": 1})
    run = bunchtrain.run(study, runs=tmp_path, only=["aware", "pivot"], jobs=1)
    results = bunchtrain.evaluate(run, "systematic_shift", by="tau_scale")
    changes = results.details["changes"]["aware"]["tau_scale"]
    assert changes["signal_passing_50"]["up"]["error"] > 0
    table = run.predictions.columns
    assert 110 < (table["event"] == 1).sum() < 176
