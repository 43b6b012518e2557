import json

import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError
from bunchtrain.report.labels import in_key_table, label
from bunchtrain.statistics.classification import measure_classification, signal_roc
from bunchtrain.statistics.metrics import auc, measurements
from bunchtrain.targets import Target

JET = Target("jet", ("qcd", "top"))


def test_two_classes_have_stable_names(jets):
    metrics = measure_classification(*jets, None, JET, [0.3, 0.5], [0.01, 0.001])
    assert list(metrics) == [
        "accuracy", "auc", "rejection_30", "rejection_50", "efficiency_at_1", "efficiency_at_0.1",
        "calibration_error", "log_loss", "significance_s_over_sqrt_b",
        "significance_s_over_sqrt_sb", "significance_asimov", "significance_ams",
    ]  # fmt: skip
    assert measurements(json.loads(json.dumps(metrics, allow_nan=False))) == measurements(metrics)
    assert 0 < metrics["significance_ams"]["cut"] < 1


def test_the_other_signal_has_the_same_auc(jets):
    top = measure_classification(*jets, None, JET)
    qcd = measure_classification(*jets, None, Target("jet", JET.classes, signal="qcd"))
    assert top["auc"]["value"] == pytest.approx(qcd["auc"]["value"])
    assert top["accuracy"] == qcd["accuracy"]


def test_several_backgrounds_are_told_apart():
    truth = np.arange(3000) % 3
    scores = np.random.default_rng(1).dirichlet([1, 1, 1], 3000) + 2 * np.eye(3)[truth]
    scores /= scores.sum(axis=1, keepdims=True)
    metrics = measure_classification(scores, truth, None, Target("jet", ("q", "g", "t")))
    assert {"auc", "auc/q", "rejection_30/g", "auc_one_vs_rest/q"} <= set(metrics)
    only = truth != 0
    pair = signal_roc(scores[only][:, 1:], truth[only] - 1, None, 1)
    assert metrics["auc/g"]["value"] == pytest.approx(auc(pair).value)


@pytest.mark.parametrize(
    ("name", "text", "key"),
    [
        ("rejection_30", "1/ε_B at ε_S = 0.3", True),
        ("rejection_30/qcd", "1/ε_B at ε_S = 0.3 (qcd)", False),
        ("efficiency_at_0.1", "ε_S at ε_B = 0.001", False),
        ("mass:bias", "Bias (mass)", True),
        ("something_new", "something new", True),
    ],
)
def test_figures_are_called_as_the_field_calls_them(name, text, key):
    assert (label(name), in_key_table(name)) == (text, key)


def test_unusable_scores_are_refused(jets):
    scores, truth = jets
    with pytest.raises(StudyError, match="no class 'tops'; did you mean 'top'"):
        measure_classification(scores, truth, None, Target("jet", JET.classes, signal="tops"))
    with pytest.raises(DataError, match=r"shape \(6000, 2\), but there are 6000 events and 3"):
        measure_classification(scores, truth, None, Target("jet", ("a", "b", "c")))
    scores[4, 1] = np.inf
    with pytest.raises(DataError, match="score of event 4 is not finite"):
        measure_classification(scores, truth, None, JET)
