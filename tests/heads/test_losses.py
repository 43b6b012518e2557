"""Every loss by its published equation, and its minimum by what it should predict."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.heads.assignment_cross_entropy import AssignmentCrossEntropy
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.energy_fractions import EnergyFractions
from bunchtrain.heads.evidential import Evidential
from bunchtrain.heads.focal import Focal
from bunchtrain.heads.gaussian_nll import GaussianNLL
from bunchtrain.heads.huber import Huber
from bunchtrain.heads.likelihood_ratio import LikelihoodRatio
from bunchtrain.heads.log_cosh import LogCosh
from bunchtrain.heads.margin import Margin
from bunchtrain.heads.mean_absolute_error import MeanAbsoluteError
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.heads.multivariate_gaussian_nll import MultivariateGaussianNLL
from bunchtrain.heads.normalizing_flow import NormalizingFlow
from bunchtrain.heads.object_condensation import ObjectCondensation
from bunchtrain.heads.planed_cross_entropy import PlanedCrossEntropy
from bunchtrain.heads.quantile import Quantile
from bunchtrain.heads.reweighting_adversary import ReweightingAdversary
from bunchtrain.penalties._penalty import Penalty
from bunchtrain.targets import Target

LABEL = Target("label", classes=("qcd", "top"))
FLAVOUR = Target("flavour", classes=("light", "c", "b"))
PAIR = Target("jet", values=("mass", "pt"))
ONE = Target("jet", values=("mass",))

CLASSIFIERS = [CrossEntropy(LABEL), CrossEntropy(FLAVOUR, label_smoothing=0.1), Focal(FLAVOUR)]
CLASSIFIERS += [BinaryCrossEntropy(LABEL)]
LENGTHS = [Margin(LABEL), Margin(FLAVOUR)]  # their scores are no probabilities
REGRESSORS = [MeanSquaredError(PAIR), MeanAbsoluteError(PAIR), Huber(PAIR), LogCosh(PAIR)]
REGRESSORS += [Quantile(PAIR), GaussianNLL(PAIR), MultivariateGaussianNLL(PAIR)]
ALL = CLASSIFIERS + LENGTHS + REGRESSORS


def example(head, events=12, seed=0, scale=1.0):
    """Return outputs and a batch of this head's target."""
    random = torch.Generator().manual_seed(seed)
    output = scale * torch.randn(events, head.outputs, generator=random)
    target = head.target
    if target.classes:
        held = torch.randint(len(target.classes), (events,), generator=random)
    else:
        held = torch.randn(events, len(target.values), generator=random)
    return output, Batch({"table": output}, {target.name: held}, torch.ones(events))


def losses(head, output, batch):
    return head({head.target.name: output}, batch)


def named(head, output):
    """Return the predictions by the names of their columns."""
    return {quantity.name: values for quantity, values in head.predictions(output).items()}


def name(head):
    return type(head).__name__


def test_cross_entropy_is_torch_s():
    head = CrossEntropy(FLAVOUR, label_smoothing=0.2, class_weights={"b": 3.0})
    output, batch = example(head)
    y = batch.targets["flavour"]
    expected = functional.cross_entropy(output, y, label_smoothing=0.2, reduction="none")
    expected = torch.where(y == 2, 3 * expected, expected)
    torch.testing.assert_close(losses(head, output, batch), expected)


def test_binary_cross_entropy_is_cross_entropy_of_0_and_the_logit():
    head = BinaryCrossEntropy(LABEL)
    output, batch = example(head)
    both = torch.cat([torch.zeros_like(output), output], 1)
    expected = losses(CrossEntropy(LABEL), both, batch)
    torch.testing.assert_close(losses(head, output, batch), expected)
    for quantity, score in CrossEntropy(LABEL).predictions(both).items():
        torch.testing.assert_close(head.predictions(output)[quantity], score)


def test_likelihood_ratio_by_its_equation():
    head = LikelihoodRatio(LABEL)
    output, batch = example(head)
    y, f = batch.targets["label"], output.squeeze(1)
    expected = torch.where(y == 0, f.exp() - 1, -f)
    torch.testing.assert_close(losses(head, output, batch), expected)
    large = losses(head, torch.full_like(output, 100.0), batch)[y == 0]  # a straight line from 30
    torch.testing.assert_close(large, torch.full_like(large, math.expm1(30) + 70 * math.exp(30)))


def test_focal_by_its_equation():
    output, batch = example(Focal(FLAVOUR))
    p = output.softmax(1)[torch.arange(12), batch.targets["flavour"]]
    expected = -((1 - p) ** 1.5) * p.log()
    torch.testing.assert_close(losses(Focal(FLAVOUR, gamma=1.5), output, batch), expected)
    plain = losses(CrossEntropy(FLAVOUR), output, batch)
    torch.testing.assert_close(losses(Focal(FLAVOUR, gamma=0.0), output, batch), plain)


def test_margin_by_its_equation():
    head, batch = Margin(FLAVOUR), Batch({}, {"flavour": torch.tensor([0, 2])})
    lengths = torch.tensor([[0.95, 0.05, 0.3], [0.4, 0.1, 0.7]])
    expected = torch.tensor([0.5 * 0.2**2, 0.2**2 + 0.5 * 0.3**2])
    torch.testing.assert_close(losses(head, lengths, batch), expected)
    assert list(named(head, lengths)) == ["light", "c", "b"]


@pytest.mark.parametrize(
    ("head", "equation"),
    [
        (MeanSquaredError(PAIR), lambda r: r**2),
        (MeanAbsoluteError(PAIR), abs),
        (Huber(PAIR, delta=0.7), lambda r: r**2 / 2 if abs(r) < 0.7 else 0.7 * (abs(r) - 0.35)),
        (LogCosh(PAIR), lambda r: math.log(math.cosh(r))),
    ],
    ids=lambda v: name(v) if hasattr(v, "outputs") else "",
)
def test_regression_by_its_equation(head, equation):
    output, batch = example(head)
    residual = (output - batch.targets["jet"]).tolist()
    expected = torch.tensor([(equation(a) + equation(b)) / 2 for a, b in residual])
    torch.testing.assert_close(losses(head, output, batch), expected)


def test_gaussian_nll_is_minus_the_log_of_the_density():
    head = GaussianNLL(PAIR)
    output, batch = example(head)
    mean, log_variance = output.chunk(2, 1)
    normal = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = -normal.log_prob(batch.targets["jet"]).sum(1)
    torch.testing.assert_close(losses(head, output, batch), expected)
    scores = named(head, output)
    assert list(scores) == ["mass", "pt", "mass_sigma", "pt_sigma"]
    torch.testing.assert_close(scores["pt_sigma"], normal.stddev[:, 1])
    torch.testing.assert_close(scores["mass"], mean[:, 0])


def test_gaussian_nll_learns_mean_and_width():
    random = torch.Generator().manual_seed(1)
    y = 3 + 0.5 * torch.randn(4000, 1, generator=random)
    batch = Batch({"table": y}, {"jet": y})
    output = torch.zeros(2, requires_grad=True)
    optimiser = torch.optim.Adam([output], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        losses(GaussianNLL(ONE), output.expand(4000, 2), batch).mean().backward()
        optimiser.step()
    scores = named(GaussianNLL(ONE), output.detach()[None])
    assert scores["mass"].item() == pytest.approx(float(y.mean()), abs=0.01)
    assert scores["mass_sigma"].item() == pytest.approx(float(y.std()), abs=0.01)


@settings(max_examples=20, deadline=None)
@given(level=st.floats(0.05, 0.95), seed=st.integers(0, 1000))
def test_the_minimum_of_the_pinball_loss_is_the_quantile(level, seed):
    """A share τ of the events lies below the best of all constants."""
    y = torch.randn(200, 1, generator=torch.Generator().manual_seed(seed))
    head, batch = Quantile(ONE, levels=(level,)), Batch({"table": y}, {"jet": y})
    sizes = [losses(head, constant.expand(200, 1), batch).mean() for constant in y]
    best = y[int(torch.stack(sizes).argmin())]
    assert abs(float((y <= best).float().mean()) - level) < 0.011


def test_quantiles_are_named_by_their_level():
    head = Quantile(PAIR, levels=(0.5, 0.16, 0.025))
    output = torch.arange(12.0).view(2, 6)
    scores = named(head, output)
    assert list(scores) == ["mass", "mass_q16", "mass_q2p5", "pt", "pt_q16", "pt_q2p5"]
    assert scores["pt_q16"].tolist() == [4, 10]
    exact = Batch({"table": output}, {"jet": torch.tensor([[0.0, 3], [6, 9]])})
    expected = [(1 * 0.84 + 2 * 0.975) * 2 / 6] * 2
    torch.testing.assert_close(losses(head, output, exact), torch.tensor(expected))


@pytest.mark.parametrize("head", CLASSIFIERS, ids=name)
def test_class_scores_are_probabilities(head):
    output, _ = example(head, scale=5)
    scores = named(head, output)
    assert tuple(scores) == head.target.classes
    torch.testing.assert_close(sum(scores.values()), torch.ones(12))
    assert all(score.shape == (12,) and (score >= 0).all() for score in scores.values())


@pytest.mark.parametrize("head", ALL, ids=name)
def test_gradients(head):
    output, batch = example(head)
    output = output.clone().requires_grad_()
    losses(head, output, batch).sum().backward()
    step = torch.zeros_like(output)
    step[3, 0] = 1e-2
    with torch.no_grad():
        up, down = (losses(head, output + s * step, batch).sum() for s in (1, -1))
    assert output.grad[3, 0].item() == pytest.approx((up - down).item() / 2e-2, rel=0.02, abs=1e-3)


@pytest.mark.parametrize("head", ALL, ids=name)
def test_one_loss_per_event_that_is_independent_of_the_others(head):
    output, batch = example(head)
    whole = losses(head, output, batch)
    assert whole.shape == (12,)
    rows = torch.tensor([7, 2])
    torch.testing.assert_close(losses(head, output[rows], batch.take(rows)), whole[rows])
    assert losses(head, output[:0], batch.take(rows[:0])).shape == (0,)


@pytest.mark.parametrize("head", ALL, ids=name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_losses_and_gradients_stay_finite_far_out(head, dtype):
    output, batch = example(head, scale=300)
    output = output.to(dtype).requires_grad_()
    loss = losses(head, output, batch)
    assert loss.dtype == torch.float32
    assert loss.isfinite().all()
    loss.sum().backward()
    assert output.grad.isfinite().all()


def test_every_loss_is_found_by_its_name():
    held = {parts.find("loss", part) for part in parts.locate("loss")}
    needs_columns = (Penalty, PlanedCrossEntropy, ReweightingAdversary)
    # tested in files of their own
    elsewhere = {AssignmentCrossEntropy, EnergyFractions, ObjectCondensation}
    plain = {h for h in held if not issubclass(h, needs_columns)} - elsewhere
    assert plain == {type(o) for o in ALL} | {Evidential, NormalizingFlow, LikelihoodRatio}
