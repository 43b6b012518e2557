"""Linear regression: least squares by value, and its export."""

import numpy as np
import pytest
import torch
from exported import check_onnx
from sklearn.linear_model import LinearRegression as Reference
from sklearn.linear_model import Ridge

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.huber import Huber
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.networks.fitted.linear_regression import LinearRegression
from bunchtrain.targets import Target

TARGET = Target("energy", (), ("first", "second"))


def sample(events=300):
    random = np.random.default_rng(1)
    table = random.normal(3, [1, 100, 1e-3, 2], (events, 4)).astype(np.float32)
    noise = random.normal(0, 0.1, (events, 2))
    values = table[:, :1] * [2, -1] + 0.01 * table[:, 1:2] + 5 + noise
    return table, values.astype(np.float32), random.random(events, np.float32)


def fitted(table, values, weight, **options):
    parts = zip(*(np.array_split(a, 4) for a in (table, values, weight)), strict=True)
    batches = [Batch({"table": t}, {"energy": v}, w) for t, v, w in parts]
    model = LinearRegression(table.shape[1], 2, **options)
    return model, model.fit(batches, batches[:1], MeanSquaredError(TARGET), seed=1, threads=1)


def test_weights_are_those_of_scikit_learn():
    table, values, weight = sample()
    model, losses = fitted(table, values, weight, l2=0)
    expected = Reference().fit(table.astype(float), values.astype(float), weight)
    np.testing.assert_allclose(model.weight, expected.coef_, rtol=1e-4)
    np.testing.assert_allclose(model.bias, expected.intercept_, rtol=1e-4)
    squares = ((model(table) - values) ** 2).mean(1)
    assert losses[0]["training_loss"] == pytest.approx(
        np.average(squares, weights=weight), rel=1e-4
    )


def test_penalty_is_that_of_ridge_on_standardised_features():
    table, values, weight = sample()
    model, _ = fitted(table, values, weight, l2=0.5)
    mean = np.average(table, axis=0, weights=weight)
    spread = np.sqrt(np.average((table - mean) ** 2, axis=0, weights=weight))
    ridge = Ridge(alpha=0.5).fit((table - mean) / spread, values, weight / weight.sum())
    np.testing.assert_allclose(model.weight * spread, ridge.coef_, rtol=1e-3)


def test_constant_and_repeated_features_are_harmless():
    table, values, weight = sample()
    doubled = np.concatenate([table, table[:, :1], np.full_like(table[:, :1], 7)], 1)
    model, _ = fitted(doubled, values, weight)
    plain, _ = fitted(table, values, weight)
    assert (model.weight[:, 5] == 0).all()
    np.testing.assert_allclose(model(doubled), plain(table), rtol=1e-3)


def test_another_loss_is_an_error():
    model = LinearRegression(4, 2)
    with pytest.raises(StudyError, match="'linear_regression' cannot fit loss 'huber'"):
        model.fit([], [], Huber(TARGET), seed=1, threads=1)


@pytest.mark.filterwarnings("ignore")
def test_exported_graph_gives_the_same(tmp_path):
    model, _ = fitted(*sample())
    events = {n: torch.rand(n, 4) for n in range(12)}
    check_onnx(
        FittedModule(model).eval(),
        lambda _, lengths: {"table": events[len(lengths)]},
        tmp_path / "model.onnx",
        1e-3,
    )
