import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.statistics.metrics import Measurement


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
    ],
)
def test_a_measurement_shows_the_digits_that_its_error_allows(value, error, text):
    assert str(Measurement(value, error)) == text


def test_a_limit_says_so():
    assert str(Measurement(3338.2, limit=True)) == "> 3300"


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
