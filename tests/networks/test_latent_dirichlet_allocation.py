"""Latent Dirichlet allocation finds the topics that jets were made of, without their labels."""

import numpy as np
import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, RunError, StudyError
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.networks.fitted.latent_dirichlet_allocation import LatentDirichletAllocation
from bunchtrain.targets import Target

TOP = Target("label", classes=("qcd", "top"))
TOPICS = np.array([[0.4, 0.3, 0.2, 0.1, 0.0], [0.05, 0.05, 0.2, 0.3, 0.4]])


def jets(events=600, seed=0):
    """Return jets of one topic each, their words drawn from it."""
    random = np.random.default_rng(seed)
    target = random.integers(0, 2, events)
    words = np.stack([random.multinomial(random.integers(3, 9), TOPICS[t]) for t in target])
    return Batch({"table": words.astype(np.float32)}, {"label": target})


def fitted(batch, objective, seed=1):
    model = LatentDirichletAllocation(5, objective.outputs)
    return model, model.fit([batch], [batch], objective, seed=seed, threads=1)


def test_it_finds_the_topics():
    model, history = fitted(jets(), CrossEntropy(TOP))
    given = jets(seed=1)
    outputs = model(given.inputs["table"])
    right = (outputs.argmax(1) == given.targets["label"]).mean()
    assert right > 0.85
    assert set(history[0]) == {"training_loss", "validation_loss"}
    ratio = np.diff(model.weight, axis=0)[0]
    truth = np.log(TOPICS[1, :4] / TOPICS[0, :4])
    assert np.corrcoef(ratio[:4], truth)[0, 1] > 0.98


def test_labels_fix_the_sign_and_nothing_else():
    one, other = jets(), jets()
    other.targets["label"] = 1 - other.targets["label"]
    first, second = (fitted(batch, BinaryCrossEntropy(TOP))[0] for batch in (one, other))
    table = one.inputs["table"]
    np.testing.assert_allclose(first(table), -second(table), rtol=1e-5, atol=1e-5)
    assert float(first(table).std()) == pytest.approx(1, rel=1e-2)
    two, _ = fitted(one, CrossEntropy(TOP))
    difference = two(table)[:, 1:] - two(table)[:, :1]
    np.testing.assert_allclose(difference, first(table), rtol=1e-5, atol=1e-5)


def test_unsupported_input_raises_one_sentence():
    with pytest.raises(
        RunError, match="'latent_dirichlet_allocation' is not fitted yet; call its 'fit' first"
    ):
        LatentDirichletAllocation(5, 2)(np.zeros((1, 5), np.float32))
    three = CrossEntropy(Target("label", classes=("light", "c", "b")))
    with pytest.raises(StudyError, match="has two topics, and target 'label' has 3 classes"):
        fitted(jets(), three)
    negative = jets()
    negative.inputs["table"] -= 1
    with pytest.raises(DataError, match="needs counts, and a feature is negative"):
        fitted(negative, CrossEntropy(TOP))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(tmp_path):
    model, _ = fitted(jets(), CrossEntropy(TOP))

    def inputs(_, lengths):
        return {"table": torch.tensor(lengths)[:, None].float() * torch.arange(5)}

    check_onnx(FittedModule(model), inputs, tmp_path / "model.onnx", tolerance=1e-5)
