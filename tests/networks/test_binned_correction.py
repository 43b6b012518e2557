"""The binned correction: the mean of each cell."""

import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.huber import Huber
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.networks.fitted.binned_correction import BinnedCorrection
from bunchtrain.targets import Target

TARGET = Target("jet", (), ("response",))


def fitted(events=400, bins=4):
    torch.manual_seed(1)
    table, weight = torch.rand(events, 2), torch.rand(events)
    values = torch.sin(6 * table.sum(1, keepdim=True)) + 0.1 * torch.randn(events, 1)
    batches = [
        Batch({"table": t}, {"jet": v}, w)
        for t, v, w in zip(table.split(90), values.split(90), weight.split(90), strict=True)
    ]
    model = BinnedCorrection(2, 1, bins=bins)
    losses = model.fit(batches, batches[:1], MeanSquaredError(TARGET), 1, 1)
    return model, table, values, weight, losses


def test_each_cell_holds_its_weighted_mean():
    model, table, values, weight, _ = fitted()
    cells = model.cells(table)
    for cell in cells.unique():
        inside = cells == cell
        mean = (weight * values[:, 0])[inside].sum() / weight[inside].sum()
        torch.testing.assert_close(model(table)[inside][:, 0], mean.expand(int(inside.sum())))


def test_bins_are_equally_populated():
    model, table, *_ = fitted()
    places = model.cells(table)
    assert torch.bincount(places % 4).tolist() == [100] * 4
    assert torch.bincount(places // 4).tolist() == [100] * 4


def test_the_history_has_the_values_of_the_loss():
    model, table, values, weight, losses = fitted()
    squares = (model(table) - values).square()[:, 0]
    expected = float((weight * squares).sum() / weight.sum())
    assert losses[0]["training_loss"] == pytest.approx(expected, rel=1e-5)


def test_an_empty_cell_gets_the_mean_of_all():
    model = BinnedCorrection(2, 1, bins=2)
    line = torch.linspace(0, 1, 10)
    batch = Batch({"table": torch.stack([line, line], 1)}, {"jet": line[:, None]}, torch.ones(10))
    model.fit([batch], [batch], MeanSquaredError(TARGET), 1, 1)
    torch.testing.assert_close(model(torch.tensor([[0.1, 0.9]])), torch.tensor([[0.5]]))


def test_unsupported_sizes_and_losses_raise():
    with pytest.raises(StudyError, match="more than a million"):
        BinnedCorrection(6, 1, bins=20)
    with pytest.raises(
        StudyError, match="'binned_correction' cannot fit loss 'huber'; it fits mean_squared_error"
    ):
        BinnedCorrection(1, 1).fit(
            [Batch({"table": torch.ones(2, 1)}, {"jet": torch.ones(2, 1)}, torch.ones(2))],
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
        model, lambda _, lengths: {"table": events[len(lengths)]}, tmp_path / "model.onnx", 1e-5
    )
