"""χ² of masses: fitted masses, widths and tags, and scores by hand."""

import math

import numpy as np
import pytest
import torch

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._combinations import combination_masks, combinations, unpack
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.targets import Assignment, Target

PAIR = Assignment("jet", (("w", ("q1", "q2")), ("b", ())), (("w_q1", "w_q2"),))
HEAD = AssignmentCrossEntropy(Target("pair", assignment=PAIR))


def events(masses, seed=1):
    """Events of four jets: two massless ones back to back of this mass, a tagged one, another."""
    random = torch.Generator().manual_seed(seed)
    count = len(masses)
    momenta = torch.zeros(count, 4, 4)
    momenta[:, 0, 0] = momenta[:, 1, 0] = masses / 2
    momenta[:, 0, 3], momenta[:, 1, 3] = masses / 2, -masses / 2
    momenta[:, 2:, 0] = momenta[:, 2:, 1] = 30 + 50 * torch.rand(count, 2, generator=random)
    tags = torch.zeros(count, 4, 1)
    tags[:, 2, 0] = (torch.rand(count, generator=random) < 0.8).float()
    inputs = {
        "features": tags.view(-1, 1),
        "momenta": momenta.view(-1, 4),
        "lengths": torch.full((count,), 4),
    }
    return Batch(inputs, {"pair": torch.tensor([[0, 1, 2]]).repeat(count, 1)}, torch.ones(count))


def as_numpy(batch):
    """Return a batch of arrays, as those of represented events."""
    inputs, targets = (
        {k: v.numpy() for k, v in part.items()} for part in (batch.inputs, batch.targets)
    )
    return Batch(inputs, targets, batch.weight.numpy())


def build(**options):
    return parts.build("model", "mass_chi_squared", options, 1, 4, 1, PAIR)


def fit(model, batches):
    return model.fit(batches, batches, HEAD, seed=1, threads=1)


@pytest.fixture(scope="module")
def fitted():
    random = torch.Generator().manual_seed(2)
    masses = 80 + 10 * torch.randn(4000, generator=random)
    model, batch = build(), events(masses)
    history = fit(model, [batch, events(masses[:0]), events(masses, seed=5)])
    return model, batch, history


def test_mass_and_width_are_those_of_the_right_combinations(fitted):
    model, _, history = fitted
    assert model.is_fitted
    assert float(model.masses) == pytest.approx(80, abs=0.5)
    assert float(model.widths) == pytest.approx(10, rel=0.05)
    assert history[0]["training_loss"] == history[0]["validation_loss"]
    assert history[0]["training_loss"] < math.log(6) + math.log(4)  # of equal probabilities


def test_a_score_is_that_of_the_formula(fitted):
    model, batch, _ = fitted
    one = as_numpy(batch).take(np.array([7])).tensors()
    scores = unpack(model(**one.inputs), combination_masks(one.inputs["lengths"], PAIR))
    momenta, tags = one.inputs["momenta"], one.inputs["features"][:, 0].long()
    for row, (i, k) in enumerate(combinations(4, ((0, 1),)).tolist()):
        total = momenta[i] + momenta[k]
        mass = float((total[0] ** 2 - (total[1:] ** 2).sum()).clamp(min=0.01).sqrt())
        expected = -(((mass - float(model.masses)) / float(model.widths)) ** 2) / 2
        expected += float(model.tag_terms[0, 0, tags[i]] + model.tag_terms[1, 0, tags[k]])
        assert float(scores[0][0, row]) == pytest.approx(expected, rel=1e-4, abs=1e-3)
    for row, (i,) in enumerate(combinations(4, ((0,),)).tolist()):
        assert float(scores[1][0, row]) == pytest.approx(float(model.tag_terms[2, 0, tags[i]]))


def test_tags_have_the_ratio_of_their_frequencies(fitted):
    model, batch, _ = fitted
    assert torch.equal(model.tag_terms[0], model.tag_terms[1])  # both may be exchanged
    tagged = batch.inputs["features"].view(-1, 4)[:, 2].mean()
    untagged_only = math.log(0.5 / 8001)  # none of the other jets is tagged: half a jet
    assert float(model.tag_terms[2, 0, 1]) == pytest.approx(
        math.log(float(tagged)) - untagged_only, abs=0.05
    )


def test_the_state_is_saved(fitted):
    model, batch, _ = fitted
    again = build()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again(**batch.inputs), model(**batch.inputs))


def test_events_without_enough_jets_have_fewer_combinations(fitted):
    model, _, _ = fitted
    given = {
        "features": torch.zeros(1, 1),
        "momenta": torch.ones(1, 4),
        "lengths": torch.tensor([1, 0]),
    }
    assert model(**given).shape == (1, 1)  # the one jet as b


def test_what_cannot_be_fitted_ends_in_a_sentence():
    batch = events(torch.full((5,), 80.0))
    batch.inputs["features"][3] = 0.5
    with pytest.raises(DataError, match=r"features that are tags from 0 to 1, and one is 0.5"):
        fit(build(), [batch])
    batch = events(torch.full((5,), 80.0))
    batch.targets["pair"][:, 1] = -1
    with pytest.raises(DataError, match="no training event has all products of 'w'"):
        fit(build(), [batch])
    with pytest.raises(StudyError, match="cannot fit loss 'cross_entropy'"):
        build().check_terms([CrossEntropy(Target("jet", classes=("a", "b")))])
