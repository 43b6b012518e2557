import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.training.schedules import Plateau, factor

SCHEDULES = ("constant", "cosine", "one_cycle", "plateau", "exponential")


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.7, 1.0),
        ("cosine", 0.0, 1.0),
        ("cosine", 0.5, 0.5),
        ("cosine", 1.0, 0.0),
        ("exponential", 0.5, 0.1),
        ("one_cycle", 0.0, 1 / 25),
        ("one_cycle", 0.3, 1.0),
        ("one_cycle", 1.0, 1e-4 / 25),
    ],
)
def test_published_values(schedule: str, progress: float, expected: float) -> None:
    assert math.isclose(factor(schedule, progress), expected, abs_tol=1e-12)


@given(st.sampled_from(SCHEDULES), st.floats(0, 1), st.floats(0, 0.9))
def test_the_rate_never_exceeds_its_peak(schedule: str, progress: float, warmup: float) -> None:
    assert 0 <= factor(schedule, progress, warmup) <= 1 + 1e-12


def test_warm_up_rises_linearly() -> None:
    assert [factor("constant", p, 0.2) for p in (0.0, 0.05, 0.1)] == [0.0, 0.25, 0.5]


def test_plateau_halves_after_three_epochs_without_progress() -> None:
    plateau = Plateau()
    for loss in (1.0, 0.5, 0.6, 0.6):
        plateau.update(loss)
    assert plateau.factor == 1.0
    plateau.update(0.6)
    assert plateau.factor == 0.5
