"""Known answers of the evaluations of class probabilities."""

import numpy as np
import pytest
import synthetic_runs
from synthetic_runs import SEPARATION, expected_auc

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.classification import Classification
from bunchtrain.evaluations.decorrelation import Decorrelation
from bunchtrain.evaluations.efficiency_profile import EfficiencyProfile
from bunchtrain.evaluations.parameter_scan import ParameterScan
from bunchtrain.evaluations.working_points import WorkingPoints
from bunchtrain.statistics.classification import measure_classification, measure_sets
from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Target

EDGES = (0, 50, 70, 90, 120, 300)


def test_metrics_are_those_of_the_classifier_and_of_its_sets():
    run = synthetic_runs.run("classes", conformal=True)
    table, found = run.predictions, Classification(efficiencies=(0.5,)).evaluate(run).metrics
    truth, target = table.truth("jet"), table.targets["jet"]
    for name in ("first", "second", "both"):
        expected = measure_sets(table.sets(name, "jet"), truth, table.weights)
        expected |= measure_classification(
            table.probabilities(name, "jet"), truth, table.weights, target, (0.5,)
        )
        assert found[name] == expected
        assert list(found[name])[:4] == ["set_coverage_68", "set_size_68", "accuracy", "auc"]


@pytest.mark.parametrize("model", SEPARATION)
def test_the_auc_of_two_normal_distributions_is_known(model):
    run = synthetic_runs.run("classes", events=20000)
    found = Measurement.from_dict(Classification().evaluate(run).metrics[model]["auc"])
    assert abs(found.value - expected_auc(model)) < 3 * found.error < 0.02


def test_metrics_of_several_trainings_are_means():
    run = synthetic_runs.run("classes", seeds=3)
    entry = Classification().evaluate(run).metrics["first"]["auc"]
    assert entry["seeds"] == 3
    assert "seeds" not in Classification().evaluate(run).metrics["second"]["auc"]


def test_metrics_of_several_targets_carry_the_name_of_the_target():
    run = synthetic_runs.run("classes", "flavours", "values")
    found = Classification().evaluate(run).metrics["second"]
    assert {"jet:auc", "flavour:auc", "flavour:auc/light"} <= set(found)
    assert not any(name.startswith("energy") for name in found)
    only = Classification(target="flavour").evaluate(run)
    assert all(name.startswith("flavour:") for name in only.metrics["second"])
    table = WorkingPoints(target="flavour").evaluate(run).tables[0]
    assert table.columns[:4] == ["ε of b", "Model", "Cut", "ε of the cut"]


def test_events_of_folds_share_the_luminosity():
    run = synthetic_runs.run("classes")
    one = Classification().evaluate(run).metrics["first"]["significance_s_over_sqrt_b"]
    run.folds = 4
    four = Classification().evaluate(run).metrics["first"]["significance_s_over_sqrt_b"]
    assert four["value"] == pytest.approx(one["value"] / 2)


def test_plots_of_one_model_carry_its_name():
    results = Classification().evaluate(synthetic_runs.run("classes"))
    assert [plot.model for plot in results.plots] == ["", "", *2 * ["first"], *2 * ["second"]]
    roc_plot = results.plots[0]
    labels = roc_plot.figure.axes[0].get_legend_handles_labels()[1]
    assert [label.split()[0] for label in labels] == ["first", "second", "both", "random"]


def test_published_metrics_are_drawn():
    published = {"source": "arXiv:1902.09914", "rejection_30": [20, 1]}
    changes = {"models": {"first": {"published": published}, "second": {}}}
    plot = Classification().evaluate(synthetic_runs.run("classes", changes=changes)).plots[0]
    assert "published" in plot.figure.axes[0].get_legend_handles_labels()[1]


def test_unusable_predictions_end_in_a_sentence():
    run = synthetic_runs.run("classes")
    run.predictions.columns["first_top"][7] = np.nan
    with pytest.raises(DataError, match="event 7 is not finite"):
        Classification().evaluate(run)


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        (Classification(efficiencies=(0.3, 1.3)), "efficiencies must be between 0 and 1, got 1.3"),
        (Classification(mistags=(0,)), "mistags must be between 0 and 1, got 0"),
        (EfficiencyProfile(against=("jet_pt",), efficiency=2), "efficiency must be between 0 and"),
        (WorkingPoints(fractions={"c": 0.1}), "fractions needs one for each of light, c, which"),
        (WorkingPoints(fractions={"c": 0.1, "light": 0.8}), "which add up to 1"),
        (WorkingPoints(fractions={"c": -0.1, "light": 1.1}), "which add up to 1"),
        (EfficiencyProfile(against=(), fractions={"b": 0.5, "c": 0.5}), "each of light, c"),
        (Decorrelation(against="jet_mass", edges=(0, 2, 1)), "edges must be three or more, and"),
        (Decorrelation(against="jet_mass", edges=(0, 1)), "edges must be three or more, and rise"),
    ],
)
def test_options_out_of_range_are_refused_before_training(evaluation, message):
    study = synthetic_runs.study([synthetic_runs.TARGETS["flavours"]])
    with pytest.raises(StudyError, match=message) as error:
        evaluation.check(study)
    assert str(error.value).startswith(f"evaluation '{evaluation.name}'")


def test_an_unknown_signal_is_refused_with_the_nearest_class():
    target = Target("jet", ("qcd", "top"), signal="tops")
    with pytest.raises(StudyError, match=r"targets\.jet\.signal: there is no class 'tops'; did"):
        measure_classification(np.ones((4, 2)), np.arange(4) % 2, None, target)


def test_rejections_are_those_of_one_cut_on_the_published_score():
    run, fractions = synthetic_runs.run("flavours"), {"c": 0.08, "light": 0.92}
    found = WorkingPoints(efficiencies=(0.5, 0.77), fractions=fractions).evaluate(run)
    table = run.predictions
    truth, w = table.truth("flavour"), table.weights
    p = np.asarray(table.probabilities("first", "flavour"), np.float64)
    score = np.log(p[:, 2] / (0.92 * p[:, 0] + 0.08 * p[:, 1]))
    metrics = found.metrics["first"]
    for percent in (50, 77):
        passed = score >= metrics[f"working_point_{percent}_cut"]["value"] - 1e-12
        efficiency = [np.average(passed[truth == k], weights=w[truth == k]) for k in range(3)]
        assert efficiency[2] == pytest.approx(percent / 100, abs=2e-3)
        for k, name in enumerate(["light", "c"]):
            rejection = metrics[f"working_point_{percent}/{name}"]
            assert rejection["value"] == pytest.approx(1 / efficiency[k], rel=5e-3)
            assert rejection["error"] > 0
    assert [row[:2] for row in found.tables[0].rows][:2] == [["50 %", "first"], ["50 %", "second"]]


def tied(run):
    """Return the run with the scores of all models rounded to two values."""
    columns = dict(run.predictions.columns)
    for name, column in run.predictions.contents.columns.items():
        if column.quantity.label in ("qcd", "top"):
            columns[name] = np.where(columns[name] > 0.4, 0.9, 0.1).astype(np.float32)
    run.predictions = Predictions(run.predictions.contents, columns)
    return run


def test_rejections_are_counted_at_the_cut_where_scores_are_tied():
    run = tied(synthetic_runs.run("classes"))
    results = WorkingPoints(efficiencies=(0.5,)).evaluate(run)
    found, table = results.metrics["second"], run.predictions
    p, truth = table.probabilities("second", "jet"), table.truth("jet")
    passed = np.log(p[:, 1] / p[:, 0]) >= found["working_point_50_cut"]["value"] - 1e-6
    efficiency = np.average(passed[truth == 1], weights=table.weights[truth == 1])
    mistag = np.average(passed[truth == 0], weights=table.weights[truth == 0])
    assert efficiency > 0.8
    assert found["working_point_50_efficiency"]["value"] == pytest.approx(efficiency)
    assert found["working_point_50/qcd"]["value"] == pytest.approx(1 / mistag)
    row = next(row for row in results.tables[0].rows if row[1] == "second")
    assert row[3] == str(Measurement.from_dict(found["working_point_50_efficiency"]))
    plot = EfficiencyProfile(against=("jet_pt",)).evaluate(run).plots[0]
    assert f"second {efficiency:.3g}" in plot.caption


def test_scores_that_are_no_probabilities_have_no_log_loss_and_no_calibration():
    run = synthetic_runs.run("classes")
    columns = dict(run.predictions.columns)
    for name, column in run.predictions.contents.columns.items():
        if column.training == "first":
            columns[name] = 2 * columns[name] - 0.5
    run.predictions = Predictions(run.predictions.contents, columns)
    results = Classification().evaluate(run)
    assert "log_loss" not in results.metrics["first"]
    assert "calibration_error" not in results.metrics["first"]
    assert results.metrics["first"]["auc"]["value"] == pytest.approx(
        expected_auc("first"), abs=0.03
    )
    assert "log_loss" in results.metrics["second"]
    drawn = next(p for p in results.plots if p.caption.startswith("Fraction of events"))
    labels = [text.get_text() for text in drawn.figure.legends[0].get_texts()]
    assert [label.split()[0] for label in labels] == ["second", "both"]


def test_several_classes_have_a_macro_averaged_auc():
    metrics = Classification().evaluate(synthetic_runs.run("flavours")).metrics["first"]
    each = [metrics[f"auc_one_vs_rest/{name}"]["value"] for name in ("light", "c", "b")]
    assert metrics["auc_macro"]["value"] == pytest.approx(np.mean(each))
    assert metrics["auc_macro"]["error"] > 0


def test_a_pair_of_classes_is_measured_on_their_events_alone():
    run = synthetic_runs.run("flavours")
    found = Classification(efficiencies=(0.9,), pairs=(("c", "light"),)).evaluate(run)
    metrics, table = found.metrics["first"], run.predictions
    truth, scores = table.truth("flavour"), table.probabilities("first", "flavour")
    of_pair = truth < 2
    score = np.log(scores[of_pair, 1] / scores[of_pair, 0])
    expected = roc(score, truth[of_pair] == 1, table.weights[of_pair])
    assert metrics["auc/c_against_light"] == auc(expected).as_dict()
    passing, total = score >= expected.threshold_at(0.9), table.weights[of_pair]
    light = truth[of_pair] == 0
    rejection = total[light].sum() / total[light & passing].sum()
    assert metrics["rejection_90/c_against_light"]["value"] == pytest.approx(rejection, rel=0.02)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("c", "ligt"), "pairs: 'ligt' is no class of target 'flavour'; did you mean 'light'"),
        (("c", "c"), "pairs needs two different classes"),
    ],
)
def test_unknown_classes_of_pairs_are_refused(pair, message):
    study = synthetic_runs.run("flavours").study
    with pytest.raises(StudyError, match=message):
        Classification(pairs=(pair,)).check(study)


def test_a_class_of_small_fraction_passes_more_often():
    run = synthetic_runs.run("flavours")
    little, much, equal = (
        WorkingPoints(efficiencies=(0.7,), fractions=f).evaluate(run).metrics["first"]
        for f in ({"c": 0.02, "light": 0.98}, {"c": 0.5, "light": 0.5}, None)
    )
    assert little["working_point_70/c"]["value"] < much["working_point_70/c"]["value"]
    assert little["working_point_70/light"]["value"] > much["working_point_70/light"]["value"]
    assert equal == much


def test_a_score_without_the_column_is_decorrelated():
    results = Decorrelation(against="jet_mass", edges=EDGES).evaluate(synthetic_runs.run("classes"))
    inverse = {name: m["inverse_jsd_50"]["value"] for name, m in results.metrics.items()}
    assert inverse["second"] > 5 * inverse["first"]
    assert [plot.caption.split()[0] for plot in results.plots] == ["Background", "Spectrum", "Mean"]


def test_of_many_models_the_best_of_each_method_is_drawn():
    models = {f"disco_{k}": {"curve": "disco", "strength": k} for k in range(10)}
    run = synthetic_runs.run("classes", changes={"models": models | {"plain": {}}, "ensembles": {}})
    sources = dict.fromkeys(models, "first") | {"disco_4": "second", "plain": "first"}
    run.predictions = synthetic_runs.copies(run.predictions, sources)
    results = Decorrelation(against="jet_mass", edges=EDGES).evaluate(run)
    panels = results.plots[1].figure.axes
    assert [panel.get_title(loc="left") for panel in panels[:2]] == ["disco_4", "plain"]
    assert "the model of largest 1/JSD of every method" in results.plots[1].caption


def test_efficiencies_of_the_profile_are_those_of_the_cut():
    run = synthetic_runs.run("flavours", events=12000)
    signal, light, c = EfficiencyProfile(against=("jet_pt",), efficiency=0.7).evaluate(run).plots
    assert signal.caption == "Efficiency of b against jet_pt, at an overall ε_S of 0.7."
    assert light.caption.startswith("Efficiency of light against jet_pt")
    assert c.caption.startswith("Efficiency of c against jet_pt")
    for plot, name in ((signal, "b"), (light, "light"), (c, "c")):
        assert plot.figure.axes[0].get_ylabel() == f"Efficiency of {name}"
    heights = [
        np.asarray(container.lines[0].get_ydata()) for container in signal.figure.axes[0].containers
    ]
    assert all(np.nanmean(h) == pytest.approx(0.7, abs=0.02) for h in heights)


def test_aucs_are_those_of_the_events_of_each_value():
    run = synthetic_runs.run("classes")
    table = run.predictions
    found = ParameterScan(parameter="mass_point").evaluate(run).metrics["first"]
    assert list(found) == ["auc/mass_point=500", "auc/mass_point=750"]
    own = table.columns["mass_point"] == 750
    score, truth = table.probabilities("first", "jet")[:, 1], table.truth("jet") == 1
    expected = auc(roc(score[own], truth[own], table.weights[own]))
    assert found["auc/mass_point=750"]["value"] == pytest.approx(expected.value)


def test_values_without_signal_are_left_out():
    run = synthetic_runs.run("classes")
    columns = run.predictions.columns
    run.predictions = run.predictions.take((columns["mass_point"] == 500) | (columns["jet"] == 0))
    found = ParameterScan(parameter="mass_point").evaluate(run).metrics["first"]
    assert list(found) == ["auc/mass_point=500"]


def test_predictions_without_a_spectator_end_in_a_sentence():
    run = synthetic_runs.run("classes")
    del run.predictions.columns["jet_mass"]
    with pytest.raises(DataError, match="the predictions have no column 'jet_mass'"):
        Decorrelation(against="jet_mass", edges=EDGES).evaluate(run)
