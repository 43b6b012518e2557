"""Metrics of regressed values in subsets of the test set."""

import pytest
import synthetic_runs

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.regression import Regression
from bunchtrain.statistics.regression import measure_regression


def test_metrics_of_a_subset_are_those_of_its_events():
    run = synthetic_runs.run("values")
    results = Regression(subsets={"hard": "jet_pt > 100", "light": "jet_mass < 80"}).evaluate(run)
    table = run.predictions
    masks = {"hard": table.columns["jet_pt"] > 100, "light": table.columns["jet_mass"] < 80}
    for name, chosen in masks.items():
        part = table.take(chosen)
        expected = measure_regression(
            part.columns["first_energy"], part.truth("energy", "energy"), part.weights
        )
        for key in ("half_width", "bias", "linearity"):
            assert results.metrics["first"][f"{key}/{name}"]["value"] == pytest.approx(
                expected[key]["value"]
            )
    assert (
        results.metrics["first"]["half_width"] == Regression().metrics(run)["first"]["half_width"]
    )
    assert results.tables[0].columns == ["Model", "all", "hard", "light"]
    assert results.metrics["second"]["half_width/hard"]["error"] > 0


def test_a_subset_without_events_ends_in_a_sentence():
    run = synthetic_runs.run("values")
    with pytest.raises(DataError, match="no event of the test set is in the subset 'none'"):
        Regression(subsets={"none": "jet_pt < -1"}).evaluate(run)


def test_a_column_of_a_subset_must_be_a_spectator():
    study = synthetic_runs.run("values").study
    with pytest.raises(StudyError, match=r"subsets.one: 'jet_masss' .* did you mean 'jet_mass'"):
        Regression(subsets={"one": "jet_masss > 1"}).check(study)


def test_widths_are_compared_with_those_of_the_baseline():
    run = synthetic_runs.run("values")
    results = Regression(subsets={"hard": "jet_pt > 100"}, baseline="first").evaluate(run)
    first, second = results.metrics["first"], results.metrics["second"]
    assert not any("ratio" in key for key in first)
    for end in ("", "/hard"):
        ratio = second[f"half_width_ratio{end}"]
        expected = second[f"half_width{end}"]["value"] / first[f"half_width{end}"]["value"]
        assert ratio["value"] == pytest.approx(expected)
        assert ratio["error"] > 0
    compared = [table for table in results.tables if "over that of first" in table.caption]
    assert [[row[0] for row in table.rows] for table in compared] == [["second"]] * 2


def test_a_baseline_must_be_a_model():
    study = synthetic_runs.run("values").study
    with pytest.raises(StudyError, match="baseline: there is no model 'firsst'; did you mean 'fir"):
        Regression(baseline="firsst").check(study)
