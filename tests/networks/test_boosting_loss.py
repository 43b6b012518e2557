"""Boosted trees with penalties: derivatives, flatness in the column, error messages."""

import numpy as np
import pytest
import torch
from scipy.special import softmax

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.networks.fitted.boosted_trees import BoostedTrees
from bunchtrain.networks.layers.boosting_loss import BoostingLoss
from bunchtrain.networks.layers.trees import BoostingOptions
from bunchtrain.penalties.adversary import Adversary
from bunchtrain.penalties.disco import Disco
from bunchtrain.penalties.mode import Mode
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
FLAVOUR = Target("label", classes=("light", "c", "b"))
MASS = {"against": "mass"}


def events(count=3000, seed=0, classes=2):
    """x0 is the mass, with which the label is correlated; x1 is independent of it."""
    random = np.random.default_rng(seed)
    mass, x, noise = random.random((3, count), np.float32)
    label = ((2 * mass + x + 0.3 * noise) / 3.3 * classes).astype(np.int64).clip(max=classes - 1)
    weight = 0.5 + random.random(count, np.float32)
    return [Batch({"table": np.stack([mass, x], 1)}, {"label": label}, weight, {"mass": mass})]


def trees(penalties, target=LABEL, **options):
    objective = CrossEntropy(target)
    boosting = BoostingOptions(trees=25, **options)
    model = BoostedTrees(2, objective.outputs, depth=3, boosting=boosting)
    classes = len(target.classes)
    sets = events(classes=classes), events(1000, seed=1, classes=classes)
    history = model.fit(*sets, objective, seed=1, threads=1, penalties=penalties)
    return model, history


def background_correlation(model):
    (batch,) = events(seed=2)
    chosen = batch.targets["label"] == 0
    score = softmax(model(batch.inputs["table"]), 1)[chosen, 1]
    return float(np.corrcoef(score, batch.spectators["mass"][chosen])[0, 1])


@pytest.mark.parametrize(("target", "columns"), [(LABEL, 1), (FLAVOUR, 3)])
def test_gradient_is_that_of_finite_differences(target, columns):
    penalties = [(Mode(target, bins=4, **MASS), 3.0), (Disco(target, **MASS), 2.0)]
    (batch,) = events(60, classes=len(target.classes))
    terms = BoostingLoss([batch], CrossEntropy(target), penalties)
    margins = torch.randn(60, columns, generator=torch.Generator().manual_seed(3)).double()
    gradient, curvature = terms.derivatives(margins.numpy())
    total = float(batch.weight.astype(float).sum())
    for event in (0, 7, 31):
        step = torch.zeros_like(margins)
        step[event, -1] = 1e-3
        rise = terms.mean((margins + step).numpy()) - terms.mean((margins - step).numpy())
        assert total * rise / 2e-3 == pytest.approx(gradient[event, -1], rel=1e-3, abs=1e-4)
    assert (curvature > 0).all()


@pytest.mark.parametrize(("term", "factor"), [(Mode, 10.0), (Disco, 3.0)])
def test_a_penalty_makes_the_score_flat_in_the_column(term, factor):
    plain = background_correlation(trees([])[0])
    penalties = [(term(LABEL, classes=["qcd"], **MASS), factor)]
    flat = background_correlation(trees(penalties, patience=None)[0])
    assert plain > 0.5
    assert abs(flat) < plain / 2


def test_a_negligible_penalty_changes_little():
    (batch,) = events(seed=4)
    plain, with_term = trees([])[0], trees([(Mode(LABEL, **MASS), 1e-9)])[0]
    probabilities = [softmax(m(batch.inputs["table"]), 1)[:, 1] for m in (plain, with_term)]
    assert float(abs(probabilities[0] - probabilities[1]).mean()) < 0.02  # their starts differ


def test_three_classes_and_saved_trees_agree():
    model, history = trees([(Disco(FLAVOUR, **MASS), 1.0)], FLAVOUR)
    again = BoostedTrees(2, 3)
    again.load_state(model.state())
    table = events(seed=5)[0].inputs["table"]
    assert np.array_equal(model(table), again(table))
    assert np.allclose(model(table), model.trees(table), atol=1e-5)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"]


def test_unsupported_penalties_raise():
    with pytest.raises(StudyError, match="cannot fit loss 'adversary' in addition to"):
        trees([(Adversary(LABEL, **MASS), 1.0)])
    values = MeanSquaredError(Target("label", values=("label",)))
    with pytest.raises(StudyError, match="penalties with a target of classes only"):
        BoostedTrees(2, 1).fit(
            events(), events(), values, seed=1, threads=1, penalties=[(Disco(LABEL, **MASS), 1.0)]
        )
