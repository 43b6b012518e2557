import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.statistics.metrics import Measurement, average_seeds


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1298.3, 46.2, "1298 ± 46"),
        (0.98123, 0.00041, "0.9812 ± 0.0004"),
        (0.98123, 0.00012, "0.98123 ± 0.00012"),
        (12984, 463.0, "12980 ± 460"),
        (-0.51, 0.3, "-0.51 ± 0.30"),
        (0.7614, np.nan, "0.7614"),
        (np.nan, 0.1, "–"),
        (-1.2e-9, 5e-10, "-1.2e-9 ± 0.5e-9"),
        (1.234567e-6, 4e-8, "1.23e-6 ± 0.04e-6"),
        (0.0, 5e-10, "0 ± 5e-10"),
        (-2e-5, 3e-3, "0.0000 ± 0.0030"),
        (4.2e-7, np.nan, "4.2e-07"),
    ],
)
def test_a_measurement_shows_the_digits_that_its_error_allows(value, error, text):
    assert str(Measurement(value, error)) == text


def test_a_limit_says_so():
    assert str(Measurement(3338.2, limit=True)) == "> 3300"


def test_an_interval_that_is_not_symmetric_is_shown_with_both_errors():
    few = Measurement(10_000, 10_000).with_interval(3_800, 26_000)
    assert str(few) == "10000 +16000 −6200"
    assert Measurement.from_dict(json.loads(json.dumps(few.as_dict()))) == few
    assert few.errors == (6_200, 16_000)
    many = Measurement(10.0, 1.0).with_interval(9.05, 11.0)
    assert many.interval is None


def test_a_mean_over_seeds_keeps_the_interval():
    few = Measurement(100, 50).with_interval(60, 180).as_dict()
    assert average_seeds([{"r": few}, {"r": few}])["r"]["interval"] == [60, 180]


@given(st.floats(min_value=1e-300, max_value=1e300), st.floats(min_value=1e-12, max_value=1))
def test_a_small_number_is_no_zero(value, relative):
    shown = str(Measurement(value, relative * value)).split(" ± ")
    assert float(shown[0]) == pytest.approx(value, abs=0.51 * relative * value)
    assert float(shown[1]) == pytest.approx(relative * value, rel=0.3)


@given(st.floats(allow_infinity=False), st.floats(min_value=0, allow_infinity=False), st.booleans())
def test_a_measurement_survives_json(value, error, limit):
    measurement = Measurement(value, error, limit)
    back = Measurement.from_dict(json.loads(json.dumps(measurement.as_dict(), allow_nan=False)))
    np.testing.assert_equal(vars(back), vars(measurement))


def test_the_old_key_of_the_standard_deviation_over_seeds_is_read():
    old = {"value": 0.9, "error": 0.01, "deviation": 0.02, "seeds": 3}
    measurement = Measurement.from_dict(old)
    assert measurement.seed_std == 0.02
    assert measurement.as_dict()["seed_std"] == 0.02
    assert Measurement.from_dict(measurement.as_dict()) == measurement
