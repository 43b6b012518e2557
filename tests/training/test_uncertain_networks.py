"""Networks with a posterior or calibrations: trained, saved, and the same when loaded."""

import dataclasses

import awkward as ak
import numpy as np
import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.targets import Target
from bunchtrain.trained_files import load
from bunchtrain.training import fit
from bunchtrain.training.data import Data
from bunchtrain.training.train import train

EXACT = ("dense_network", {"widths": [16, 16]})
POSTERIORS = {
    "bayes_by_backprop": {"draws": 4},
    "mc_dropout": {"draws": 4},
    "deep_ensemble": {"size": 3},
    "last_layer_laplace": {"draws": 4},
}
REGRESSION = {
    "terms": [("gaussian_nll", {}, "sum", 1.0)],
    "targets": {"sum": Target("sum", values=("energy",))},
}


def separate(task, seed, monkeypatch):
    """Train one network alone: weights of a seed, batches in the order of the study's."""
    original = fit._initial_network

    def seeded(data):
        network = original(Data(dataclasses.replace(data.task, seed=seed)))
        data.load()
        return network

    with monkeypatch.context() as patched:
        patched.setattr(fit, "_initial_network", seeded)
        return train(dataclasses.replace(task, folder=f"{task.folder}-{seed}"))


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_members_trained_together_are_those_trained_apart(
    make_task, source, monkeypatch, optimiser
):
    settings = {"epochs": 4, "optimiser": optimiser, "learning_rate": 0.02, "patience": 2}
    task = make_task("alone", settings, model=EXACT, seed=5)
    ensemble = train(
        dataclasses.replace(
            task, folder=f"{task.folder}-all", posterior=("deep_ensemble", {"size": 3})
        )
    )
    batch, _ = ensemble.represent(source.events)
    together = ensemble.draws(batch)["kind"]
    for member in range(3):
        apart = separate(task, 5 + member, monkeypatch).draws(batch)["kind"][0]
        torch.testing.assert_close(together[member], apart, atol=2e-5, rtol=1e-4)
    assert not torch.allclose(together[0], together[1], atol=0.01)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_a_posterior_survives_saving(make_task, source, posterior):
    made = train(make_task(posterior=(posterior, POSTERIORS[posterior])))
    before, after = made.predict(source.events), load(made.task.folder).predict(source.events)
    assert set(before) == {"background", "signal", "background_sigma", "signal_sigma"}
    for name, values in before.items():
        np.testing.assert_array_equal(values, after[name])
    assert (before["signal_sigma"] > 0).all()
    np.testing.assert_allclose(before["signal"] + before["background"], 1, atol=1e-5)
    few = made.predict(source.events[10:13])
    np.testing.assert_allclose(few["signal_sigma"], before["signal_sigma"][10:13], atol=1e-5)


@pytest.mark.parametrize("posterior", POSTERIORS)
def test_a_posterior_of_mean_and_variance(make_task, source, posterior):
    made = train(make_task(posterior=(posterior, POSTERIORS[posterior]), **REGRESSION))
    found = made.predict(source.events)
    assert set(found) == {"energy", "energy_sigma", "energy_sigma_model"}
    assert (found["energy_sigma"] > 0).all()
    assert (found["energy_sigma_model"] > 0).all()


def test_calibrations_are_fitted_on_the_validation_set_and_saved(make_task, source):
    made = train(make_task(calibration=[("temperature", {}), ("conformal", {"levels": [0.8]})]))
    temperature, conformal = made.calibrations["kind"]
    assert 0.3 < temperature.numbers["temperature"][0] < 5
    loaded = load(made.task.folder)
    assert loaded.calibrations["kind"][1].numbers == conformal.numbers
    before, after = made.predict(source.events), loaded.predict(source.events)
    np.testing.assert_array_equal(before["signal_in80"], after["signal_in80"])
    label = ak.to_numpy(source.events.label)
    inside = np.where(label, before["signal_in80"], before["background_in80"])
    assert inside.mean() == pytest.approx(0.8, abs=0.08)


def test_trees_are_calibrated_like_networks(make_task, source):
    made = train(
        make_task(model=("boosted_trees", {"trees": 5}), calibration=[("temperature", {})])
    )
    assert made.predict(source.events)["signal"].shape == (len(source.events),)
    assert made.calibrations["kind"][0].numbers["temperature"][0] > 0


def test_a_mean_with_a_fitted_width_has_pulls_of_width_one(make_task, source):
    terms = [("mean_squared_error", {}, "sum", 1.0)]
    made = train(make_task(calibration=[("temperature", {})], **{**REGRESSION, "terms": terms}))
    found = made.predict(source.events)
    assert np.ptp(found["energy_sigma"]) == 0
    pulls = (found["energy"] - ak.to_numpy(source.events.x + source.events.y)) / found[
        "energy_sigma"
    ]
    assert np.sqrt(np.mean(pulls**2)) == pytest.approx(1, abs=0.15)


def test_no_events_give_no_scores_of_the_same_names(make_task, source):
    made = train(make_task(posterior=("deep_ensemble", {"size": 2})))
    assert {k: len(v) for k, v in made.predict(source.events[:0]).items()} == dict.fromkeys(
        made.predict(source.events), 0
    )


REFUSALS = [
    ("deep_ensemble", {"settings": {"gradient_clip": 1.0}}, "trains its members independently"),
    ("deep_ensemble", {"settings": {"schedule": "plateau"}}, "trains its members independently"),
    ("last_layer_laplace", {"terms": [("focal", {}, "kind", 1.0)]}, "logarithm of a likelihood"),
    ("mc_dropout", {"model": ("boosted_trees", {})}, "needs a network"),
]


@pytest.mark.parametrize(("posterior", "changes", "message"), REFUSALS)
def test_what_does_not_go_together_is_refused(make_task, posterior, changes, message):
    with pytest.raises(StudyError, match=message):
        train(make_task(posterior=(posterior, {}), **changes))
