"""F1 and alarm rates by value, and the coverage of their uncertainty."""

import numpy as np
import pytest

from bunchtrain.evaluations.alarm_rates import _counts, _measure


def test_known_rates():
    alarm = np.array([1, 1, 0, 0, 1, 0], bool)
    truth = np.array([1, 0, 1, 0, 1, 0], bool)
    found = _measure(_counts(alarm, truth, np.ones(6), np.array([0, 0, 0, 1, 1, 1])))
    assert found["f1"]["value"] == pytest.approx(4 / 6)
    assert found["false_alarm_rate"]["value"] == pytest.approx(1 / 3)
    assert found["missed_alarm_rate"]["value"] == pytest.approx(1 / 3)


def test_series_give_the_spread_between_samples():
    random = np.random.default_rng(1)
    values, errors = [], []
    for _ in range(40):
        rate = random.beta(2, 5, 40)  # each series has its own rate of false alarms
        alarm = random.random((40, 50)) < rate[:, None]
        truth = np.zeros((40, 50), bool)
        truth[:, :10] = True
        series = np.repeat(np.arange(40), 50)
        found = _measure(_counts(alarm.ravel(), truth.ravel(), np.ones(2000), series))
        values.append(found["false_alarm_rate"]["value"])
        errors.append(found["false_alarm_rate"]["error"])
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.35)
