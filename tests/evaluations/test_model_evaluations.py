"""Known answers of the evaluations of values, of predicted σ, and of models against each other."""

import numpy as np
import pytest
import synthetic_runs
from scipy.stats import norm
from synthetic_runs import BIAS, SIGMA

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.classification import Classification
from bunchtrain.evaluations.ensemble_improvement import EnsembleImprovement
from bunchtrain.evaluations.model_comparison import ModelComparison
from bunchtrain.evaluations.predicted_uncertainty import PredictedUncertainty
from bunchtrain.evaluations.regression import Regression
from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.tables.prediction_contents import Contents, PredictedColumn
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import column_name

ENERGY = synthetic_runs.TARGETS["values"]


@pytest.mark.parametrize("model", BIAS)
def test_bias_resolution_and_coverage_are_those_of_the_normal_distribution(model):
    found = Regression().evaluate(synthetic_runs.run("values")).metrics[model]
    measured = {name: Measurement.from_dict(entry) for name, entry in found.items()}
    for name, expected in (("bias", BIAS[model]), ("resolution", SIGMA[model]), ("pull_width", 1)):
        assert abs(measured[name].value - expected) < 4 * measured[name].error
    inside = Regression().evaluate(synthetic_runs.run("values", conformal=True)).metrics[model]
    assert list(inside) == list(found)
    assert measured["coverage_68"].value == pytest.approx(0.68, abs=0.06)


def test_metrics_carry_the_target_where_there_are_several():
    found = Regression().evaluate(synthetic_runs.run("classes", "values")).metrics
    assert all(name.startswith("energy:") for name in found["first"])
    assert found["both"] == {}


def test_regression_plots_are_of_all_models_then_of_each():
    plots = Regression(against=("jet_pt",)).evaluate(synthetic_runs.run("values")).plots
    assert [plot.model for plot in plots] == [*[""] * 7, "first", "second"]
    assert [plot.caption for plot in plots[4:7]] == [
        "Mean of predicted − true energy against jet_pt.",
        "Half 68 % width of predicted − true energy against jet_pt.",
        "Width of the pull against jet_pt.",
    ]


def test_a_model_without_sigma_has_no_pull():
    run = synthetic_runs.run("values")
    for model in BIAS:
        del run.predictions.columns[f"{model}_energy_sigma"]
    run.predictions = run.predictions.take(slice(None))
    results = Regression().evaluate(run)
    assert not {"pull_mean", "coverage_68"} & set(results.metrics["first"])
    assert len(results.plots) == 4


def test_regression_needs_values():
    study = synthetic_runs.run("classes").study
    with pytest.raises(StudyError, match="evaluation 'regression' needs a target with values"):
        Regression().check(study)


def with_sigma(run):
    """Add a standard deviation of 0.1 to the probabilities of `second`."""
    for label in ("qcd", "top"):
        name = f"second_{label}_sigma"
        run.predictions.columns[name] = np.full(len(run.predictions), 0.1)
        run.predictions.contents.columns[name] = PredictedColumn(
            "second", "jet", Quantity(label, "sigma")
        )
    run.predictions = run.predictions.take(slice(None))
    return run


def test_the_predicted_uncertainty_of_the_models_that_have_one_is_drawn():
    evaluation = PredictedUncertainty()
    assert evaluation.evaluate(synthetic_runs.run("classes")).plots == []
    (plot,) = evaluation.evaluate(with_sigma(synthetic_runs.run("classes"))).plots
    (curve,) = plot.figure.axes[0].containers
    assert curve.get_label() == "second"
    heights = curve.lines[0].get_ydata()
    np.testing.assert_allclose(heights[np.isfinite(heights)], 0.1)


def test_predicted_uncertainty_needs_a_posterior():
    with pytest.raises(StudyError, match="needs a model with a 'posterior'"):
        PredictedUncertainty().check(synthetic_runs.run("classes").study)
    changes = {"posterior": "mc_dropout"}
    PredictedUncertainty().check(synthetic_runs.run("classes", changes=changes).study)


def compared(**changes):
    run = synthetic_runs.run("classes", changes=changes)
    run.metrics = Classification().evaluate(run).metrics
    run.files = {
        "models/first/training.json": {"parameters": 100},
        "models/second/training.json": {"parameters": 1000},
    }
    return run


def test_models_are_ranked_by_an_earlier_metric():
    published = {"source": "arXiv:1902.09914", "rejection_30": [20, 1]}
    models = {"first": {"published": published}, "second": {}}
    run = compared(models=models)
    ranking, sizes, correlation = ModelComparison().evaluate(run).plots
    assert ranking.caption.startswith("All models in order")
    assert ranking.figure.axes[0].get_yticklabels()[0].get_text() == "first"
    legend = [text.get_text() for text in ranking.figure.axes[0].get_legend().get_texts()]
    assert legend == ["this run", "published"]
    assert sizes.figure.axes[0].get_xlabel() == "Parameters"
    assert len(correlation.figure.axes[0].texts) == 6
    first, *_ = ModelComparison(metric="auc").evaluate(run).plots
    assert first.figure.axes[0].get_xlabel() == "AUC"


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(DataError, match="has a metric 'acuracy'; did you mean 'accuracy'"):
        ModelComparison(metric="acuracy").evaluate(compared())


def test_two_models_are_not_ranked():
    study = synthetic_runs.run("classes", changes={"ensembles": {}}).study
    with pytest.raises(StudyError, match="needs at least 3 models and ensembles"):
        ModelComparison().check(study)


def test_the_improvement_is_that_over_the_best_model():
    run = synthetic_runs.run("classes")
    results = EnsembleImprovement(efficiencies=(0.5,)).evaluate(run)
    truth, weights = run.predictions.truth("jet") == 1, run.predictions.weights
    area = {
        name: auc(roc(run.predictions.probabilities(name, "jet")[:, 1], truth, weights)).value
        for name in ("second", "both")
    }
    found = results.details["both"]
    assert list(found) == ["auc", "rejection_50"]
    assert found["auc"]["best"] == "second"
    assert found["auc"]["value"] == pytest.approx(area["both"] - area["second"], abs=1e-4)
    alone = auc(roc(run.predictions.probabilities("both", "jet")[:, 1], truth, weights)).error
    assert 0 < found["auc"]["error"] < alone
    (table,) = results.tables
    assert table.rows[0][:3] == ["both", "AUC", "second"]


def test_ensembles_that_flatten_one_score_are_not_improvements():
    flattened = {"flat": {"of": ["first"], "by": "ddt", "against": "jet_mass"}}
    study = synthetic_runs.run("classes", changes={"ensembles": flattened}).study
    with pytest.raises(StudyError, match="needs an ensemble of several models"):
        EnsembleImprovement().check(study)


@pytest.mark.parametrize(
    ("levels", "coverages"),
    [((0.16, 0.84), (68,)), ((0.05, 0.16, 0.84, 0.95), (68, 90)), ((0.1, 0.8), (70,))],
)
def test_predicted_quantiles_have_the_coverage_of_their_interval(levels, coverages):
    random = np.random.default_rng(3)
    truth, target = random.normal(50, 10, 5000), synthetic_runs.TARGETS["values"]
    columns = {"entry": np.arange(5000), "weight": np.ones(5000), "energy_0": truth}
    schema = {}
    for level in (None, *levels):
        quantity = Quantity("energy", "quantile", level) if level else Quantity("energy")
        name = column_name("net", "energy", quantity, False)
        columns[name] = np.full(5000, norm.ppf(level or 0.5, 50, 10))
        schema[name] = PredictedColumn("net", "energy", quantity)
    table = Predictions(Contents({"energy": target}, {"net": ["net"]}, [], schema), columns)
    run = synthetic_runs.SyntheticRun(synthetic_runs.study([target]), table)
    found = Regression().metrics(run)["net"]
    assert {name for name in found if "coverage" in name} == {f"coverage_{c}" for c in coverages}
    for c in coverages:
        assert found[f"coverage_{c}"]["value"] == pytest.approx(c / 100, abs=0.03)
