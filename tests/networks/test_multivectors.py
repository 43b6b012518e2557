"""The space-time algebra: its relations, its symmetry, and linear maps (arXiv:2405.14806)."""

import pytest
import torch
from lorentz import momenta, transformation

from bunchtrain.networks.layers.multivector_layers import EquivariantLinear, normalise_streams
from bunchtrain.networks.layers.multivectors import (
    BASIS,
    DUAL,
    GRADES,
    INNER,
    GeometricProduct,
    geometric_product,
    vectors,
)


def multivectors(points=5, channels=3, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(16, points, channels, generator=random, dtype=torch.float64)


def transformed(values, matrix):
    """Return the multivectors after a Lorentz transformation of the four γ, grade by grade."""
    acts = torch.zeros(16, 16, dtype=torch.float64)
    for row, to in enumerate(BASIS):
        for column, of in enumerate(BASIS):
            if len(to) == len(of):
                minor = matrix[list(to)][:, list(of)]
                acts[row, column] = minor.det() if to else 1.0
    return torch.einsum("ij,jpc->ipc", acts, values)


def test_the_gammas_anticommute_to_twice_the_metric():
    for mu, square in enumerate([1.0, -1.0, -1.0, -1.0]):
        for nu in range(4):
            e = torch.eye(16)[:, :, None]
            one, other = e[:, 1 + mu][:, None], e[:, 1 + nu][:, None]
            both = geometric_product(one, other) + geometric_product(other, one)
            expected = 2 * square * e[:, 0][:, None] if mu == nu else torch.zeros(16, 1, 1)
            torch.testing.assert_close(both, expected)


def test_the_product_of_two_momenta_has_their_minkowski_product_as_scalar_part():
    one, other = momenta([6]), momenta([6], seed=1)
    product = geometric_product(vectors(one), vectors(other))[..., 0]
    torch.testing.assert_close(product[0], one[:, 0] * other[:, 0] - (one * other)[:, 1:].sum(1))
    plane = one[:, 1] * other[:, 2] - one[:, 2] * other[:, 1]
    torch.testing.assert_close(product[BASIS.index((1, 2))], plane)


def test_the_product_is_associative_and_bilinear():
    x, y, z = (multivectors(seed=seed) for seed in range(3))
    left = geometric_product(geometric_product(x, y), z)
    torch.testing.assert_close(left, geometric_product(x, geometric_product(y, z)))
    sum_of_two = geometric_product(x, y) + geometric_product(2 * x, z)
    torch.testing.assert_close(geometric_product(x, y + 2 * z), sum_of_two)


def test_the_product_and_the_inner_product_commute_with_lorentz_transformations():
    x, y, matrix = multivectors(), multivectors(seed=1), transformation(3)
    moved_x, moved_y = transformed(x, matrix), transformed(y, matrix)
    expected = transformed(geometric_product(x, y), matrix)
    torch.testing.assert_close(geometric_product(moved_x, moved_y), expected)
    signs = torch.tensor(INNER, dtype=torch.float64)
    inner = torch.einsum("i,ipc,ipc->pc", signs, x, y)
    torch.testing.assert_close(torch.einsum("i,ipc,ipc->pc", signs, moved_x, moved_y), inner)


def test_the_inner_product_is_the_scalar_part_with_one_factor_reversed():
    x, y = multivectors(), multivectors(seed=1)
    reverse = torch.tensor([1.0, 1, -1, -1, 1])[list(GRADES)].double()
    signs = torch.tensor(INNER, dtype=torch.float64)
    expected = geometric_product(reverse[:, None, None] * x, y)[0]
    torch.testing.assert_close(torch.einsum("i,ipc,ipc->pc", signs, x, y), expected)


def test_the_dual_is_the_product_with_the_pseudoscalar():
    x, pseudoscalar = multivectors(), torch.zeros(16, 5, 3, dtype=torch.float64)
    pseudoscalar[15] = 1.0
    dual = x.flip(0) * torch.tensor(DUAL).double().view(16, 1, 1)
    torch.testing.assert_close(dual, geometric_product(pseudoscalar, x))


def test_linear_maps_commute_with_lorentz_transformations():
    torch.manual_seed(1)
    layer, x, s = EquivariantLinear((3, 2), (4, 5)).double(), multivectors(), torch.randn(5, 2)
    matrix, s = transformation(2), s.double()
    mapped, scalars = layer(x, s)
    moved, same = layer(transformed(x, matrix), s)
    torch.testing.assert_close(moved, transformed(mapped, matrix))
    torch.testing.assert_close(same, scalars)


def test_linear_maps_keep_the_variance():
    torch.manual_seed(1)
    layer = EquivariantLinear((64, 1), (64, 1))
    mapped, _ = layer(torch.randn(16, 50, 64), torch.zeros(50, 1))
    assert abs(mapped[1:].var() - 1) < 0.1


def test_normalised_multivectors_have_size_one_and_still_commute():
    x, s, matrix = 100 * multivectors(), torch.randn(5, 2).double(), transformation(1)
    made, _ = normalise_streams(x, s)
    signs = torch.tensor(INNER).double()
    parts = torch.split(made.square() * signs[:, None, None], [1, 4, 6, 4, 1])
    size = sum(part.sum(0).abs() for part in parts).mean(1)
    torch.testing.assert_close(size, torch.ones(5).double(), atol=1e-4, rtol=0)
    moved, _ = normalise_streams(transformed(x, matrix), s)
    torch.testing.assert_close(moved, transformed(made, matrix))


def test_the_product_has_its_gradient_and_its_exported_form(monkeypatch):
    x, y = multivectors(2, 2), multivectors(2, 2, seed=1)
    assert torch.autograd.gradcheck(
        GeometricProduct.apply, (x.requires_grad_(), y.requires_grad_())
    )
    quick = geometric_product(x, y)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(geometric_product(x, y), quick)


def test_product_and_linear_map_are_those_of_the_published_package():
    primitives = pytest.importorskip("lgatr.primitives")
    config = pytest.importorskip("lgatr.primitives.config").PrimitivesConfig()
    x, y = multivectors(), multivectors(seed=1)
    last = [value.permute(1, 2, 0).contiguous() for value in (x, y)]  # (point, channel, 16)
    theirs = primitives.geometric_product(*last, config=config)
    torch.testing.assert_close(geometric_product(x, y).permute(1, 2, 0), theirs)
    layer = EquivariantLinear((3, 1), (4, 1)).double()
    with torch.no_grad():
        ours = layer(x, torch.zeros(5, 1).double())[0]
        ours[0] -= layer.to_scalar_part.bias
        direct, dual = layer.weight.permute(0, 3, 2, 1).unbind(0)  # (after, before, grade) each
        right = torch.tensor([1.0, -1, 1, -1, 1]).double()  # theirs is x γ₀₁₂₃, by the grade before
        coefficients = torch.cat([direct, (dual * right).flip(2)], 2)
        theirs = primitives.equi_linear(last[0], coefficients, config=config).permute(2, 0, 1)
    torch.testing.assert_close(ours, theirs)
