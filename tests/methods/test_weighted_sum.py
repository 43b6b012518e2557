"""Several terms, weighted, over batches and workers."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.batch import Batch
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.methods.weighted_sum import weighted_sums
from bunchtrain.penalties._penalty import Penalty
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
MASS = Target("mass", values=("mass",))
TERMS = [(CrossEntropy(LABEL), 1.0), (MeanSquaredError(MASS), 0.25)]


def events(number=20, seed=0):
    random = torch.Generator().manual_seed(seed)
    outputs = {
        "label": torch.randn(number, 2, generator=random),
        "mass": torch.randn(number, 1, generator=random),
    }
    targets = {
        "label": torch.randint(2, (number,), generator=random),
        "mass": torch.randn(number, 1, generator=random),
    }
    weight = torch.rand(number, generator=random)
    return outputs, Batch({"table": outputs["mass"]}, targets, weight)


def take(outputs, batch, rows):
    return {name: value[rows] for name, value in outputs.items()}, batch.take(rows)


def test_the_equation():
    """Σ_t λ_t Σ w ℓ_t / Σ w."""
    outputs, batch = events()
    loss, named = weighted_sums(TERMS, outputs, batch).mean()
    means = [(batch.weight * o(outputs, batch)).sum() / batch.weight.sum() for o, _ in TERMS]
    torch.testing.assert_close(loss, means[0] + 0.25 * means[1])
    assert list(named) == ["label/cross_entropy", "mass/mean_squared_error"]
    torch.testing.assert_close(list(named.values()), means)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(0, 20))
def test_sums_of_workers_add_up_to_those_of_the_batch(seed, cut):
    outputs, batch = events(seed=seed)
    order = torch.randperm(20)
    one, two = (weighted_sums(TERMS, *take(outputs, batch, r)) for r in (order[:cut], order[cut:]))
    loss, named = (one + two).mean()
    expected, expected_named = weighted_sums(TERMS, outputs, batch).mean()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(named, expected_named)


def test_an_event_of_weight_two_is_two_events():
    outputs, batch = events()
    batch.weight = torch.where(torch.arange(20) == 3, 2.0, 1.0)
    rows = torch.tensor([*range(20), 3])
    twice_outputs, twice = take(outputs, batch, rows)
    twice.weight = torch.ones(21)
    torch.testing.assert_close(
        weighted_sums(TERMS, outputs, batch).mean()[0],
        weighted_sums(TERMS, twice_outputs, twice).mean()[0],
    )


def test_no_weights_are_weights_of_one():
    outputs, batch = events()
    batch.weight = torch.ones(20)
    expected, _ = weighted_sums(TERMS, outputs, batch).mean()
    batch.weight = torch.ones(0)
    torch.testing.assert_close(weighted_sums(TERMS, outputs, batch).mean()[0], expected)


@pytest.mark.parametrize("rows", [[], [1, 2]])
def test_no_weight_at_all_gives_no_loss_and_no_gradient(rows):
    outputs, batch = take(*events(), torch.tensor(rows, dtype=torch.int64))
    batch.weight = torch.zeros(len(rows))
    outputs["label"].requires_grad_()
    loss, _ = weighted_sums(TERMS, outputs, batch).mean()
    loss.backward()
    assert loss == 0
    assert not outputs["label"].grad.any()


class MeanSquare(Penalty):
    """A term that is a scalar of the batch."""

    def forward(self, outputs, batch):
        return outputs["mass"].square().mean()


def test_a_scalar_term_is_added_once():
    outputs, batch = events()
    plain, _ = weighted_sums(TERMS, outputs, batch).mean()
    loss, _ = weighted_sums([*TERMS, (MeanSquare(MASS), 0.5)], outputs, batch).mean()
    torch.testing.assert_close(loss, plain + 0.5 * outputs["mass"].square().mean())


def test_two_terms_of_one_name_are_one_line():
    outputs, batch = events()
    _, named = weighted_sums([TERMS[0], TERMS[0]], outputs, batch).mean()
    _, once = weighted_sums(TERMS[:1], outputs, batch).mean()
    torch.testing.assert_close(named["label/cross_entropy"], 2 * once["label/cross_entropy"])
