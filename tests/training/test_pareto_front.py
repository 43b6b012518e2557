"""One training passes from rich networks to frugal ones, and keeps those that no other beats."""

import csv

import awkward as ak
import pytest
import torch

from bunchtrain.methods.tensor_files import read_tensors
from bunchtrain.trained_files import load
from bunchtrain.training.train import train

MODEL = ("quantised_dense_network", {"widths": [8], "bits": 5, "beta": [1e-5, 3e-2]})


def rows(folder):
    with (folder / "front.csv").open() as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def test_a_training_traces_a_front(make_task, tmp_path):
    train(make_task("front", {"epochs": 8}, model=MODEL))
    found = rows(tmp_path / "front")
    assert len(found) > 1
    for one in found:
        others = [other for other in found if other is not one]
        assert not any(
            other["validation_loss"] <= one["validation_loss"]
            and other["bit_operations"] <= one["bit_operations"]
            for other in others
        )
        file = tmp_path / "front" / "front" / f"{int(one['epoch']):04d}.safetensors"
        state = read_tensors(file)
        network = load(tmp_path / "front").network
        network.load_state_dict(state)
        assert float(network.model.bit_operations().detach()) == one["bit_operations"]


def test_the_network_that_is_kept_is_settled_and_calibrated(make_task, tmp_path, source):
    trained_model = train(make_task("kept", {"epochs": 8}, model=MODEL))
    again = load(tmp_path / "kept")
    ours, theirs = (one.predict(source.events) for one in (trained_model, again))
    assert (ours["signal"] == theirs["signal"]).all()
    kept = again.network
    with torch.no_grad():
        inputs = kept.normalisation(again.represent(source.events)[0].tensors().inputs)
        seen = kept.model.input.high
        largest = inputs["table"].amax(0)
    assert (seen <= largest).all()
    assert (seen > largest - 1).all()
    assert ak.all(ours["signal"] > 0)


def test_a_budget_is_kept(make_task, tmp_path):
    budget = 300.0
    options = {**MODEL[1], "budget": budget}
    trained_model = train(make_task("budget", {"epochs": 10}, model=(MODEL[0], options)))
    assert float(trained_model.network.model.bit_operations().detach()) <= budget


@pytest.mark.parametrize("name", ["dense_network", "quantised_dense_network"])
def test_pruning_goes_on_after_an_interruption(make_task, tmp_path, name):
    pruning = {"sparsity": 0.75, "start": 0.1, "end": 0.7, "rounds": 2, "rewind": 0.05}
    model = (name, {"widths": [16, 16], "pruning": pruning})
    whole = train(make_task("whole", {"epochs": 4}, model=model)).network.state_dict()
    stopped = make_task("stopped", {"epochs": 4}, model=model)
    train(stopped, on_epoch=lambda epoch, _: epoch == 2)
    (tmp_path / "stopped" / "network.json").unlink()  # as if it had been interrupted
    resumed = train(stopped, resume=True).network.state_dict()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, equal_nan=True)
    masks = torch.cat([v.flatten() for name, v in resumed.items() if name.endswith("weight.mask")])
    assert float((masks == 0).float().mean()) > 0.74
