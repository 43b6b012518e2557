"""The binned correction: the mean of each cell."""

import numpy as np
import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.huber import Huber
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.networks.fitted.binned_correction import BinnedCorrection
from bunchtrain.targets import Target

TARGET = Target("jet", (), ("response",))


def fitted(events=400, bins=4):
    random = np.random.default_rng(1)
    table, weight = random.random((events, 2), np.float32), random.random(events, np.float32)
    noise = random.standard_normal((events, 1), np.float32)
    values = np.sin(6 * table.sum(1, keepdims=True)) + np.float32(0.1) * noise
    batches = [
        Batch({"table": t}, {"jet": v}, w)
        for t, v, w in zip(
            *(np.split(a, range(90, events, 90)) for a in (table, values, weight)), strict=True
        )
    ]
    model = BinnedCorrection(2, 1, bins=bins)
    losses = model.fit(batches, batches[:1], MeanSquaredError(TARGET), 1, 1)
    return model, table, values, weight, losses


def test_each_cell_holds_its_weighted_mean():
    model, table, values, weight, _ = fitted()
    cells = model.cells(table)
    for cell in np.unique(cells):
        inside = cells == cell
        mean = (weight * values[:, 0])[inside].sum() / weight[inside].sum()
        np.testing.assert_allclose(model(table)[inside][:, 0], mean, rtol=1e-5)


def test_bins_are_equally_populated():
    model, table, *_ = fitted()
    places = model.cells(table)
    assert np.bincount(places % 4).tolist() == [100] * 4
    assert np.bincount(places // 4).tolist() == [100] * 4


def test_the_history_has_the_values_of_the_loss():
    model, table, values, weight, losses = fitted()
    squares = ((model(table) - values) ** 2)[:, 0]
    expected = float((weight * squares).sum() / weight.sum())
    assert losses[0]["training_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_empty_cell_gets_the_mean_of_all():
    model = BinnedCorrection(2, 1, bins=2)
    line, weight = np.linspace(0, 1, 10, dtype=np.float32), np.ones(10, np.float32)
    batch = Batch({"table": np.stack([line, line], 1)}, {"jet": line[:, None]}, weight)
    model.fit([batch], [batch], MeanSquaredError(TARGET), 1, 1)
    np.testing.assert_allclose(model(np.array([[0.1, 0.9]], np.float32)), [[0.5]], rtol=1e-6)


def test_unsupported_sizes_and_losses_raise():
    with pytest.raises(StudyError, match="more than a million"):
        BinnedCorrection(6, 1, bins=20)
    with pytest.raises(
        StudyError, match="'binned_correction' cannot fit loss 'huber'; it fits mean_squared_error"
    ):
        BinnedCorrection(1, 1).fit(
            [Batch({"table": np.ones((2, 1))}, {"jet": np.ones((2, 1))}, np.ones(2))],
            [],
            Huber(TARGET),
            1,
            1,
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(tmp_path):
    model, *_ = fitted()
    events = {n: torch.rand(n, 2) for n in range(12)}
    check_onnx(
        FittedModule(model),
        lambda _, lengths: {"table": events[len(lengths)]},
        tmp_path / "model.onnx",
        1e-5,
    )
