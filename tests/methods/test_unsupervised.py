"""The contract of all methods with a loss of their own, and known densities."""

import math

import awkward as ak
import numpy as np
import pytest
import torch

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import NotInvertible, StudyError
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.unsupervised._method import ANOMALY_SCORE, LOG_LIKELIHOOD, Generates
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.representations.table import Table

METHODS = sorted(parts.locate("method"))
SMALL = {
    "autoencoder": {"latent": 1, "widths": (16,)},
    "normalizing_flow": {"transforms": 2, "hidden": (16,)},
    "flow_matching": {"widths": (32, 32), "steps": 10},
}


def make_events(count, seed=1):
    """Two correlated variables in GeV and mm, and a condition that shifts the first."""
    random = np.random.default_rng(seed)
    condition = random.uniform(-1, 1, count)
    x = 100 + 20 * random.normal(size=count) + 30 * condition
    return ak.Array(
        {"x": x, "y": 0.01 * (x - 100) + 0.1 * random.normal(size=count), "c": condition}
    )


def trained(name, representation, events, steps=150, options=None):
    torch.manual_seed(1)
    inputs = representation(events)
    normalisation = Normalisation.fit([inputs], representation)
    method = parts.build("method", name, {**SMALL[name], **(options or {})}, representation.sizes)
    network = MethodNetwork(normalisation, method)
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    losses = []
    for _ in range(steps):
        sums = network.loss_sums([], Batch(inputs))
        loss = sums.total / sums.weight
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    return network.eval(), losses


@pytest.mark.parametrize("name", METHODS)
def test_the_contract_of_a_method(name):
    representation, events = Table(features=["x", "y"]), make_events(500)
    network, losses = trained(name, representation, events, 60)
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert all(p.grad is not None for p in network.parameters())
    found = network.predict(representation(events))
    assert set(found) == set(network.method.quantities)
    assert all(values.shape == (500,) for values in found.values())
    alone = network.predict(representation(events[:7]))
    for quantity, values in alone.items():
        assert torch.allclose(values, found[quantity][:7], atol=1e-5)
    weights = torch.rand(500)
    twice = [
        network.loss_sums([], Batch(representation(events), weight=factor * weights)).mean()[0]
        for factor in (1.0, 5.0)
    ]
    assert float(twice[0].detach()) == pytest.approx(float(twice[1].detach()), rel=1e-5)
    if not isinstance(network.method, Generates):
        with pytest.raises(StudyError, match=f"method '{name}' does not generate events"):
            network.generate(3, None)
        return
    made = representation.decode(network.generate(3, None))
    assert made.fields == ["x", "y"]
    assert len(made) == 3
    with pytest.raises(StudyError, match=f"method '{name}' takes no condition"):
        network.generate(3, torch.zeros(3, 1))


@pytest.mark.parametrize("name", [n for n in METHODS if n != "autoencoder"])
def test_generated_events_have_mean_width_and_condition_of_the_training(name):
    representation = Table(features=["x", "y"], condition=["c"])
    events = make_events(3000)
    network, _ = trained(name, representation, events, 300)
    torch.manual_seed(2)
    condition = torch.full((4000, 1), 0.5)
    made = representation.decode(network.generate(4000, condition))
    x, y = (ak.to_numpy(made[column]) for column in "xy")
    assert np.mean(x) == pytest.approx(115, abs=4)
    assert np.std(x) == pytest.approx(20, rel=0.2)
    assert np.corrcoef(x, y)[0, 1] == pytest.approx(0.2 / math.hypot(0.2, 0.1), abs=0.12)
    with pytest.raises(StudyError, match="needs condition"):
        network.generate(3, None)


@pytest.mark.parametrize(
    "flow", ["spline_coupling", "spline_autoregressive", "affine_autoregressive"]
)
def test_a_density_integrates_to_one_in_units_of_the_data(flow):
    representation = Table(features=["x", "y"])
    network, _ = trained("normalizing_flow", representation, make_events(1000), 60, {"flow": flow})
    x, y = np.linspace(-50, 250, 300), np.linspace(-2.5, 2.5, 300)
    grid = ak.Array({"x": np.repeat(x, 300), "y": np.tile(y, 300)})
    with torch.no_grad():
        density = network.predict(representation(grid))[LOG_LIKELIHOOD].exp()
    cell = (x[1] - x[0]) * (y[1] - y[0])
    assert float(density.sum()) * cell == pytest.approx(1, abs=0.02)


def test_a_density_of_one_gaussian_has_its_log_likelihood():
    random = np.random.default_rng(1)
    events = ak.Array({"x": random.normal(5, 2, 4000), "y": random.normal(-1, 0.5, 4000)})
    representation = Table(features=["x", "y"])
    network, _ = trained("normalizing_flow", representation, events, 200)
    with torch.no_grad():
        mean = float(network.predict(representation(events))[LOG_LIKELIHOOD].mean())
    expected = -math.log(2 * math.pi * 2 * 0.5) - 1
    assert mean == pytest.approx(expected, abs=0.06)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 7, 9)])
def test_an_autoencoder_of_images_keeps_their_shape(shape):
    method = parts.build("method", "autoencoder", {"channels": (3, 4)}, {"image": shape})
    image = torch.rand(5, *shape)
    assert method.reconstruct({"image": image}).shape == image.shape
    assert method.predict({"image": image})[ANOMALY_SCORE].shape == (5,)


def test_an_autoencoder_finds_what_it_has_not_learnt():
    representation = Table(features=["x", "y"])
    network, _ = trained("autoencoder", representation, make_events(2000), 300)
    normal = network.predict(representation(make_events(500, 2)))[ANOMALY_SCORE]
    other = network.predict(representation(ak.Array({"x": [100.0] * 50, "y": [2.0] * 50})))[
        ANOMALY_SCORE
    ]
    assert float(other.mean().detach()) > 5 * float(normal.mean().detach())


def test_a_method_needs_a_tensor_of_events():
    with pytest.raises(StudyError, match="method 'autoencoder' learns one of the tensors table"):
        parts.build("method", "autoencoder", {}, {"features": 3, "lengths": ()})


def test_a_representation_without_inverse_says_so():
    image = parts.build("representation", "image", {})
    with pytest.raises(NotInvertible, match="representation 'image' has no inverse"):
        image.decode({})
