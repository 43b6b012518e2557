"""The linear classifier against scikit-learn's, and its error messages."""

import numpy as np
import pytest
import torch
from exported import check_onnx
from scipy.special import softmax
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, StudyError
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.focal import Focal
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.networks.fitted.linear_classifier import LinearClassifier
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.targets import Target

TOP = Target("label", classes=("qcd", "top"))
FLAVOUR = Target("label", classes=("light", "c", "b"))


def gaussians(classes, events=900, weight=None, seed=0):
    """Return Gaussian classes with one common covariance, the last feature a sum of two others."""
    random = np.random.default_rng(seed)
    target = random.integers(0, classes, events)
    x = random.normal(size=(events, 3)) @ random.normal(size=(3, 3)) + target[:, None] * [1, 0, 0.5]
    x = np.column_stack([x, 1e-3 * (x[:, 0] + x[:, 1])]).astype(np.float32)
    weight = np.ones(events, np.float32) if weight is None else weight
    return Batch({"table": x}, {"label": target}, weight)


def fitted(batches, objective, **options):
    model = LinearClassifier(4, objective.outputs, **options)
    history = model.fit(batches, batches, objective, seed=1, threads=1)
    return model, history


@pytest.mark.parametrize("target", [TOP, FLAVOUR])
def test_fisher_is_scikit_learn_s_discriminant(target):
    batch = gaussians(len(target.classes))
    parts = [batch.take(rows) for rows in np.split(np.arange(len(batch)), [250, 500, 750])]
    model, _ = fitted(parts, CrossEntropy(target))
    x, y = batch.inputs["table"], batch.targets["label"]
    expected = LinearDiscriminantAnalysis().fit(x.astype(float), y)
    probability = expected.predict_proba(x.astype(float))
    np.testing.assert_allclose(softmax(model(x), 1), probability, atol=2e-3)


@pytest.mark.parametrize("method", ["fisher", "logistic"])
def test_one_logit_is_the_difference_of_two_outputs(method):
    batch = gaussians(2)
    two, _ = fitted([batch], CrossEntropy(TOP), method=method)
    one, history = fitted([batch], BinaryCrossEntropy(TOP), method=method)
    margins = two(batch.inputs["table"])
    expected = margins[:, 1:] - margins[:, :1]
    np.testing.assert_allclose(one(batch.inputs["table"]), expected, rtol=1e-4, atol=1e-4)
    loss = CrossEntropy(TOP).array_losses(margins, batch).mean()
    assert history[0]["training_loss"] == pytest.approx(float(loss), rel=1e-4)
    assert history[0]["training_loss"] == history[0]["validation_loss"]


@pytest.mark.parametrize("method", ["fisher", "logistic"])
def test_weights_count_as_so_many_events(method):
    twice = np.arange(900) % 3
    weighted, _ = fitted(
        [gaussians(3, weight=twice.astype(np.float32))], CrossEntropy(FLAVOUR), method=method
    )
    rows = np.repeat(np.arange(900), twice)
    repeated, _ = fitted([gaussians(3).take(rows)], CrossEntropy(FLAVOUR), method=method)
    x = gaussians(3, seed=1).inputs["table"]
    probabilities = (softmax(model(x), 1) for model in (weighted, repeated))
    np.testing.assert_allclose(*probabilities, rtol=2e-3, atol=2e-3)


def test_its_state_is_complete_and_it_is_part_of_a_network():
    model, _ = fitted([gaussians(2)], CrossEntropy(TOP))
    again = LinearClassifier(4, 2)
    again.load_state(model.state())
    x = gaussians(2, seed=1).inputs["table"]
    network = FittedNetwork(Normalisation({"table": 4}), again, {"label": 2})
    assert not network.trains_by_gradient
    assert network.trained_parameters == 10
    assert np.array_equal(network({"table": x})["label"], model(x))


def test_unsupported_input_raises_one_sentence():
    with pytest.raises(
        RunError, match="model 'linear_classifier' is not fitted yet; call its 'fit' first"
    ):
        LinearClassifier(4, 2)(np.zeros((1, 4), np.float32))
    with pytest.raises(StudyError, match="'linear_classifier' cannot fit loss 'focal'"):
        fitted([gaussians(2)], Focal(TOP))
    with pytest.raises(DataError, match="no event of class 'b'"):
        fitted([gaussians(2)], CrossEntropy(FLAVOUR))
    with pytest.raises(DataError, match="the training set has no events"):
        fitted([], CrossEntropy(TOP))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(tmp_path):
    model, _ = fitted([gaussians(2)], CrossEntropy(TOP))

    def inputs(_, lengths):
        return {"table": torch.randn(len(lengths), 4)}

    check_onnx(FittedModule(model), inputs, tmp_path / "model.onnx", tolerance=1e-5)
