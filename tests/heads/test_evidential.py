"""Evidential regression by value."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.evidential import Evidential
from bunchtrain.targets import Target

TARGET = Target("jet", (), ("energy",))
NU, ALPHA, BETA = 0.7, 2.5, 1.3


def outputs(gamma):
    logs = [math.log(NU), math.log(ALPHA - 1), math.log(BETA)]
    return torch.tensor([[g, *logs] for g in gamma])


def named(head, output):
    return {quantity.name: values for quantity, values in head.predictions(output).items()}


def test_the_likelihood_is_that_of_student_s_t():
    y = torch.tensor([[0.3], [-2.0], [5.0]])
    made = Evidential(TARGET, strength=0.0)
    losses = made({"jet": outputs([0.0, 0.5, 1.0])}, Batch({}, {"jet": y}))
    scale = math.sqrt(BETA * (1 + NU) / (NU * ALPHA))
    expected = -stats.t.logpdf(y[:, 0].numpy(), 2 * ALPHA, [0.0, 0.5, 1.0], scale)
    np.testing.assert_allclose(losses.numpy(), expected, rtol=1e-5)


def test_wrong_evidence_costs_its_distance():
    y, out = torch.tensor([[3.0]]), outputs([1.0])
    with_, without = (
        Evidential(TARGET, strength=s)({"jet": out}, Batch({}, {"jet": y})) for s in (0.1, 0.0)
    )
    assert float(with_ - without) == pytest.approx(0.1 * 2 * (2 * NU + ALPHA), rel=1e-5)


def test_deviations_are_those_of_the_distribution():
    scores = named(Evidential(TARGET), outputs([4.0]))
    assert scores["energy"] == 4
    noise = BETA / (ALPHA - 1)
    assert float(scores["energy_sigma"]) ** 2 == pytest.approx(noise * (1 + 1 / NU), rel=1e-5)
    assert float(scores["energy_sigma_model"]) ** 2 == pytest.approx(noise / NU, rel=1e-5)


def test_units_scale_value_and_deviations():
    made, deviation = Evidential(TARGET), 20.0
    scaling = made.output_scaling(np.array([100.0]), np.array([deviation]))
    shift, scale = (torch.from_numpy(array).float() for array in scaling)
    plain, scaled = named(made, outputs([0.5])), named(made, outputs([0.5]) * scale + shift)
    assert float(scaled["energy"]) == pytest.approx(110)
    for name in ("energy_sigma", "energy_sigma_model"):
        torch.testing.assert_close(scaled[name], deviation * plain[name])


def test_a_target_of_classes_is_refused():
    with pytest.raises(StudyError, match="'evidential' needs a target with values"):
        Evidential(Target("jet", ("a", "b")))
