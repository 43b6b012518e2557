"""The loss of values with a full covariance: value, gradient, covariance and mixture."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads.multivariate_gaussian_nll import MultivariateGaussianNLL
from bunchtrain.targets import Quantity, Target

HIT = Target("hit", values=("x", "y"))


def covariance(head, output):
    """Return the predicted covariance, (batch, value, value)."""
    found, values = head.predictions(output), head.target.values
    matrix = torch.zeros(len(output), len(values), len(values))
    for a, first in enumerate(values):
        matrix[:, a, a] = found[Quantity(first, "sigma")].square()
        for b, second in enumerate(values[:a]):
            rho = found[Quantity(f"{second}_{first}", "correlation")]
            product = found[Quantity(first, "sigma")] * found[Quantity(second, "sigma")]
            matrix[:, a, b] = matrix[:, b, a] = rho * product
    return matrix


def loss(head, output, truth):
    return head({head.target.name: output}, Batch({}, {head.target.name: truth}))


def test_the_equation_of_hep_trkx_by_hand():
    """½ (2 log 2π + log det Σ + rᵀΣ⁻¹r) for Σ = [[4, 1], [1, 2]] and r = (1, −1)."""
    # L = [[2, 0], [1/2, √(7/4)]], of which the second row is √2 (c, 1) / √(1 + c²).
    output = torch.tensor([[3.0, 5.0, math.log(2), math.log(2) / 2, 0.5 / math.sqrt(7 / 4)]])
    head = MultivariateGaussianNLL(HIT)
    torch.testing.assert_close(covariance(head, output), torch.tensor([[[4.0, 1], [1, 2]]]))
    # Σ⁻¹ = [[2, −1], [−1, 4]] / 7, so that rᵀΣ⁻¹r = (2 + 2 + 4) / 7.
    expected = 0.5 * (2 * math.log(2 * math.pi) + math.log(7) + 8 / 7)
    assert loss(head, output, torch.tensor([[4.0, 4.0]])).item() == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_loss_and_gradient_are_those_of_the_density(count):
    head = MultivariateGaussianNLL(Target("hit", values=tuple("abcde"[:count])))
    random = torch.Generator().manual_seed(count)
    output = torch.randn(6, head.outputs, generator=random, requires_grad=True)
    truth = torch.randn(6, count, generator=random)
    other = output.detach().clone().requires_grad_()
    loss(head, output, truth).sum().backward()
    mean, spread = other[:, :count], covariance(head, other)
    density = torch.distributions.MultivariateNormal(mean, spread)
    (-density.log_prob(truth)).sum().backward()
    close = {"rtol": 1e-4, "atol": 1e-3}
    torch.testing.assert_close(loss(head, output, truth), -density.log_prob(truth), **close)
    torch.testing.assert_close(output.grad, other.grad, rtol=1e-3, atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(2, 4),
    size=st.floats(0.1, 30),
    seed=st.integers(0, 10_000),
)
def test_the_covariance_is_positive_definite_whatever_the_outputs(count, size, seed):
    head = MultivariateGaussianNLL(Target("hit", values=tuple("abcd"[:count])))
    random = torch.Generator().manual_seed(seed)
    output = size * torch.randn(20, head.outputs, generator=random)
    _, sigma, factor = head._factor(output)  # Σ = L Lᵀ with L = σ · factor
    assert (factor.diagonal(dim1=1, dim2=2) > 0).all()
    assert (sigma > 0).all()
    torch.testing.assert_close(factor.square().sum(2), torch.ones(20, count))
    found = head.predictions(output)
    for quantity, values in found.items():
        assert torch.isfinite(values).all(), quantity
        if quantity.kind == "sigma":
            assert (values > 0).all()
        if quantity.kind == "correlation":
            assert (values.abs() <= 1 + 1e-6).all()
    assert torch.isfinite(loss(head, output, torch.zeros(20, count))).all()


def test_outputs_in_other_units_are_those_of_the_values():
    """A linear map of the outputs gives mean and covariance of values of any unit."""
    head = MultivariateGaussianNLL(HIT)
    output = torch.randn(8, head.outputs, generator=torch.Generator().manual_seed(3))
    mean, std = torch.tensor([2.0, -30.0]), torch.tensor([0.01, 50.0])
    shift, scale = (
        torch.from_numpy(v).float() for v in head.output_scaling(mean.numpy(), std.numpy())
    )
    after = covariance(head, output * scale + shift)
    torch.testing.assert_close(after, covariance(head, output) * std[:, None] * std)


def test_a_mixture_has_the_moments_of_its_draws():
    head = MultivariateGaussianNLL(HIT)
    draws = 0.7 * torch.randn(4, 3, head.outputs, generator=torch.Generator().manual_seed(5))
    mean = draws[..., :2].mean(0)
    expected = torch.stack([covariance(head, one) for one in draws]).mean(0)
    off = draws[..., :2] - mean
    expected = expected + torch.einsum("dni,dnj->nij", off, off) / 4
    mixed = head.aggregate(draws)
    torch.testing.assert_close(mixed[:, :2], mean)
    torch.testing.assert_close(covariance(head, mixed), expected)


def test_one_value_has_no_covariance():
    with pytest.raises(StudyError, match="two or more values, and target 'hit' has one"):
        MultivariateGaussianNLL(Target("hit", values=("x",)))
