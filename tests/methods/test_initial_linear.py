"""Linear functions that begin as the least-squares estimate of a target."""

import numpy as np
import pytest

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.build import build_network, build_normalised_network
from bunchtrain.methods.initial_linear import value_outputs
from bunchtrain.methods.task import Task
from bunchtrain.networks.window_cnn import WindowCNN
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.representations.sequence import Sequence
from bunchtrain.representations.window import Window
from bunchtrain.targets import Target

TRUE = np.array([0.5, -1.0, 2.0, 0.25])
SAMPLES = Window(features=["samples"], length=4, normalise="common")
POINTS = Sequence(group="sample", features=["value"], coordinates=["value"], length=4)
PULSE = Target("pulse", values=("a",), expressions=("a",))
HIT = Target("hit", values=("a",), expressions=("sample_a",), axis="point")
DENSE = {"filters": (), "widths": (5,), "linear": True}
RECURRENT = {"hidden": 3, "widths": (5,), "linear": 4}


def task(representation, model, options, target=PULSE, loss="mean_squared_error"):
    name = "window" if representation is SAMPLES else "sequence"
    terms = [(loss, {}, target.name, 1.0)]
    return Task("", "", (name, {}), (model, options), terms, {target.name: target}, {})


def block(representation, events=400, noise=0.0, seed=1):
    """Return events with correlated samples and the linear values that are true of them."""
    random = np.random.default_rng(seed)
    samples = random.normal(3, 1, (events, 4)) @ random.normal(size=(4, 4))
    values = samples @ TRUE + 7
    packed = samples.reshape(-1, 1).astype(np.float32)
    inputs = {"window": samples[:, None].astype(np.float32), "features": packed}
    inputs |= {"coordinates": packed, "lengths": np.full(events, 4)}
    used = {name: inputs[name] for name in representation.sizes}
    measured = values + noise * random.normal(size=events)
    return Batch(used, {"pulse": measured.astype(np.float32)[:, None]}), values


@pytest.mark.parametrize(
    ("representation", "model", "options"),
    [(SAMPLES, "window_cnn", DENSE), (POINTS, "recurrent_network", RECURRENT)],
)
def test_a_linear_function_is_known_before_the_first_step(representation, model, options):
    events, values = block(representation)
    network = build_normalised_network(
        task(representation, model, options), representation, [events]
    )
    found = network(events.tensors().inputs)["pulse"].detach().numpy()[:, 0]
    np.testing.assert_allclose(found, values, atol=2e-3)


def test_the_fit_is_that_of_least_squares_with_weights():
    events, _ = block(SAMPLES, 50, noise=2.0)
    weights = np.random.default_rng(3).uniform(-1, 2, 50)
    weighted = Batch(events.inputs, events.targets, weights.astype(np.float32))
    network = build_normalised_network(task(SAMPLES, "window_cnn", DENSE), SAMPLES, [weighted])
    samples = np.hstack([events.inputs["window"][:, 0].astype(float), np.ones((50, 1))])
    gram = samples.T @ (np.abs(weights)[:, None] * samples)
    expected = samples @ np.linalg.solve(
        gram, samples.T @ (np.abs(weights) * events.targets["pulse"][:, 0])
    )
    found = network(events.tensors().inputs)["pulse"].detach().numpy()[:, 0]
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_read_only_events_in_blocks_give_the_same_fit():
    events, _ = block(SAMPLES, 300, noise=1.0)
    made = task(SAMPLES, "window_cnn", DENSE)
    whole = build_normalised_network(made, SAMPLES, [events])
    parts = [events.take(rows) for rows in np.split(np.arange(300), [170])]
    for part in parts:
        for array in part.inputs.values():
            array.flags.writeable = False
    other = build_normalised_network(made, SAMPLES, parts)
    np.testing.assert_allclose(
        other.model.linear.weight.detach(), whole.model.linear.weight.detach(), atol=1e-4
    )


def test_a_width_keeps_its_random_weights():
    events, values = block(SAMPLES, noise=0.5)
    made = task(SAMPLES, "window_cnn", DENSE, loss="gaussian_nll")
    network = build_normalised_network(made, SAMPLES, [events])
    assert value_outputs(made.heads()["pulse"], 1) == [0]
    last = network.model.dense[-1]
    assert last.weight[0].abs().max() == last.bias[0] == 0
    assert last.weight[1].abs().max() > 0
    found = network(events.tensors().inputs)["pulse"].detach().numpy()[:, 0]
    assert np.std(found - values) < 0.2


def test_targets_of_points_have_no_linear_function():
    made = task(POINTS, "recurrent_network", RECURRENT, HIT)
    with pytest.raises(StudyError, match="'linear' is for targets of events, and 'hit' is of each"):
        build_network(made, POINTS)


def test_a_window_that_is_too_long_is_named():
    with pytest.raises(StudyError, match="least-squares estimate from 10,000 values is too large"):
        WindowCNN((2, 5000), 1, linear=True)


def test_a_common_scale_keeps_the_ratios_of_the_columns():
    events, _ = block(SAMPLES)
    raw = events.inputs["window"].astype(float)
    done = Normalisation.fit([events.inputs], SAMPLES)(events.inputs)["window"]
    np.testing.assert_allclose(done.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose((done.std(0) ** 2).mean(), 1, rtol=1e-4)
    np.testing.assert_allclose(done.std(0) / done.std(0)[0, 0], raw.std(0) / raw.std(0)[0, 0], 1e-4)
