"""Distance correlation against its textbook definition, value and gradient."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.penalties._distance_correlation import distance_correlation


def textbook(x, y, w):
    """Return the weighted definition with double-centred n × n matrices."""
    w = w / w.sum()

    def centred(v):
        d = (v[:, None] - v[None, :]).abs()
        rows = d @ w
        return d - rows[:, None] - rows[None, :] + rows @ w

    a, b = centred(x), centred(y)
    both = w[:, None] * w[None, :]
    spread = (both * a * a).sum() * (both * b * b).sum()
    return (both * a * b).sum() / spread.sqrt()


def sample(n, seed, ties=False):
    random = torch.Generator().manual_seed(seed)
    x, y, w = torch.rand(3, n, generator=random, dtype=torch.float64)
    y = y + x**2
    if ties:
        x, y = (5 * x).round(), (7 * y).round()
    return x, y, w


def with_gradients(function, x, y, w):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    value = function(x, y, w)
    value.backward()
    return torch.stack([value.detach().expand(len(x)), x.grad, y.grad])


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 70), seed=st.integers(0, 1000), ties=st.booleans())
def test_the_textbook_value_and_gradients_ties_included(n, seed, ties):
    x, y, w = sample(n, seed, ties)
    if len(x.unique()) == 1 or len(y.unique()) == 1:
        return
    found, expected = (with_gradients(f, x, y, w) for f in (distance_correlation, textbook))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_a_thousand_events_far_from_zero():
    x, y, w = sample(1000, 3)
    found = with_gradients(distance_correlation, x, 80 + 30 * y, w)
    expected = with_gradients(textbook, x, 80 + 30 * y, w)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_the_score_alone_may_need_a_gradient():
    x, y, w = sample(50, 1)
    both = with_gradients(distance_correlation, x, y, w)
    x.requires_grad_()
    value = distance_correlation(x, y, w)
    value.backward()
    torch.testing.assert_close(torch.stack([value.detach().expand(50), x.grad]), both[:2])


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.1, 10), shift=st.floats(-5, 5), seed=st.integers(0, 100))
def test_invariances(scale, shift, seed):
    """Shift, scale, reflection, exchange; an event of weight two is two events."""
    x, y, w = sample(40, seed)
    value = distance_correlation(x, y, w)
    torch.testing.assert_close(distance_correlation(shift - scale * x, y, w), value)
    torch.testing.assert_close(distance_correlation(y, x, w), value)
    twice = [torch.cat([v, v[:1]]) for v in (x, y, w)]
    w[0] *= 2
    torch.testing.assert_close(distance_correlation(*twice), distance_correlation(x, y, w))


def test_one_for_a_line_and_none_for_a_constant():
    x, _, w = sample(30, 0)
    assert distance_correlation(x, 3 - 2 * x, w).item() == pytest.approx(1)
    constant = torch.ones(30, dtype=torch.float64, requires_grad=True)
    value = distance_correlation(constant, x, w)
    value.backward()
    assert value.item() == 0
    assert (constant.grad == 0).all()


def test_independence_is_seen_where_linear_correlation_is_not():
    """Y = X² on [−1, 1] has no linear correlation; (X, Y) on a square are independent."""
    random = torch.Generator().manual_seed(0)
    x, y = 2 * torch.rand(2, 4000, generator=random, dtype=torch.float64) - 1
    w = torch.ones_like(x)
    assert distance_correlation(x, x**2, w) > 0.15
    assert distance_correlation(x, y, w) < 2e-3
