"""Lorentz-equivariant layers of multivectors and scalars (arXiv:2405.14806).

Multivectors are (16, points, channel), scalars (points, channel).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.attention import PaddedBlocks, attend_in_blocks, split_heads
from bunchtrain.networks.layers.multivectors import DUAL, GRADES, INNER, geometric_product

Streams = tuple[Tensor, Tensor]  # multivectors and scalars


class EquivariantLinear(nn.Module):
    """The most general linear map of multivectors that commutes with Lorentz transformations.

    y_c = Σ_c' Σ_k (v_kcc' ⟨x_c'⟩_k + w_kcc' ⟨γ₀₁₂₃ x_c'⟩_k), where ⟨x⟩_k is the part of grade k,
    and a linear map of the scalars s; the scalar parts ⟨x⟩₀ and s are also mapped to one another.

    channels  numbers of multivectors and of scalars of a point in the input.
    widths    numbers of multivectors and of scalars of a point in the output.
    """

    grades: Tensor  # (16,), grade of each component
    dual: Tensor  # (16, 1, 1), signs of γ₀₁₂₃ x

    def __init__(self, channels: tuple[int, int], widths: tuple[int, int]) -> None:
        super().__init__()
        bound = (3 / (2 * channels[0])) ** 0.5  # two terms are added: keeps the variance
        self.weight = nn.Parameter(
            torch.empty(2, 5, channels[0], widths[0]).uniform_(-bound, bound)
        )
        self.scalars = nn.Linear(channels[0] + channels[1], widths[1])
        self.to_scalar_part = nn.Linear(channels[1], widths[0])
        self.register_buffer("grades", torch.tensor(GRADES), persistent=False)
        self.register_buffer("dual", torch.tensor(DUAL).view(16, 1, 1), persistent=False)

    def forward(
        self, multivectors: Tensor, scalars: Tensor, signs: Tensor | None = None
    ) -> Streams:
        """Return the mapped multivectors, multiplied by `signs` if given, and the mapped scalars.

        signs (16, 1 or channel), 1 for the scalar part.
        """
        weight = torch.cat(
            [self.weight[0, self.grades], self.weight[1, self.grades] * self.dual], 1
        )
        weight = weight if signs is None else weight * signs[:, None]
        both = torch.cat([multivectors, multivectors.flip(0)], 2)  # (16, points, 2 channel)
        mapped = torch.bmm(both, weight)
        mapped[0] += self.to_scalar_part(scalars)
        return mapped, self.scalars(torch.cat([multivectors[0], scalars], 1))


def normalise_streams(multivectors: Tensor, scalars: Tensor, smallest: float = 0.01) -> Streams:
    """Return x / √(mean_c Σ_k |⟨x_c⟩_k²| + ε), with squares by the inner product, and LayerNorm(s).

    The sum is over the absolute values of the grades, since a vector's square may be ≤ 0.
    """
    signs = multivectors.new_tensor(INNER).view(16, 1, 1)
    grades = torch.split(multivectors.square() * signs, [1, 4, 6, 4, 1])
    size = torch.stack([part.sum(0).abs() for part in grades]).sum(0)  # (points, channel)
    scale = (size.mean(1) + smallest).rsqrt()
    return multivectors * scale[:, None], functional.layer_norm(scalars, scalars.shape[1:])


class MultivectorAttention(nn.Module):
    """Attention by invariant products: softmax_j((Σ_c ⟨q_ic, k_jc⟩ + q_i · k_j) / √d) of v_j.

    d is 16 times the number of multivectors of a head plus its scalars.
    """

    signs: Tensor  # (16, 3 · heads · channel), of the inner product for q, 1 for k and v

    def __init__(self, width: tuple[int, int], heads: int, widen: int) -> None:
        super().__init__()
        self.heads = heads
        self.head_width = (widen * width[0] // heads, widen * width[1] // heads)
        all_heads = heads * self.head_width[0], heads * self.head_width[1]
        self.project = EquivariantLinear(width, (3 * all_heads[0], 3 * all_heads[1]))
        self.out = EquivariantLinear(all_heads, width)
        signs = torch.ones(16, 3, all_heads[0])
        signs[:, 0] = torch.tensor(INNER)[:, None]  # the metric multiplies the queries
        self.register_buffer("signs", signs.flatten(1), persistent=False)

    def forward(self, multivectors: Tensor, scalars: Tensor, blocks: PaddedBlocks) -> Streams:
        """Return the attended streams; the points are sorted by block."""
        projected = self._flatten(*self.project(multivectors, scalars, self.signs))
        attended = attend_in_blocks(projected, blocks, 0.0)
        streams: Streams = self.out(*self._unflatten(attended))
        return streams

    def _flatten(self, multivectors: Tensor, scalars: Tensor) -> Tensor:
        """Return q, k and v, concatenated head by head: (points, 3 · heads · d)."""
        points = scalars.shape[0]
        vectors = multivectors.view(16, points, 3, self.heads, -1).permute(1, 2, 3, 0, 4)
        return torch.cat([vectors.flatten(3), scalars.view(points, 3, self.heads, -1)], 3).flatten(
            1
        )

    def _unflatten(self, attended: Tensor) -> Streams:
        """Return multivectors and scalars of all heads from (points, heads · d)."""
        points, (channels, width) = attended.shape[0], self.head_width
        each = split_heads(attended, self.heads)
        multivectors, scalars = torch.split(each, [16 * channels, width], 2)
        table = multivectors.reshape(points, self.heads, 16, channels).permute(2, 0, 1, 3)
        return table.flatten(2), scalars.flatten(1)


class GeometricPerceptron(nn.Module):
    """Linear(gate(Linear(Linear(x) Linear(x)))), with the geometric product of the inner maps.

    The gate multiplies a multivector by GELU(⟨x⟩₀) and applies GELU to scalars.
    """

    def __init__(self, width: tuple[int, int], widen: int) -> None:
        super().__init__()
        inner = widen * width[0], widen * width[1]
        self.factors = EquivariantLinear(width, (2 * inner[0], inner[1]))
        self.mix, self.out = EquivariantLinear(inner, inner), EquivariantLinear(inner, width)

    def forward(self, multivectors: Tensor, scalars: Tensor) -> Streams:
        """Return multivectors and scalars of the same numbers."""
        factors, scalars = self.factors(multivectors, scalars)
        product = geometric_product(*factors.chunk(2, 2))
        multivectors, scalars = self.mix(product, scalars)
        gate = functional.gelu(multivectors[:1])
        updated: Streams = self.out(gate * multivectors, functional.gelu(scalars))
        return updated


class MultivectorBlock(nn.Module):
    """Attention, then a geometric perceptron, both residual with normalised inputs."""

    def __init__(self, width: tuple[int, int], heads: int, widen: int) -> None:
        super().__init__()
        self.attention = MultivectorAttention(width, heads, widen)
        self.perceptron = GeometricPerceptron(width, widen)

    def forward(self, multivectors: Tensor, scalars: Tensor, blocks: PaddedBlocks) -> Streams:
        """Return multivectors and scalars; the points are sorted by block."""
        residual = self.attention(*normalise_streams(multivectors, scalars), blocks)
        multivectors, scalars = multivectors + residual[0], scalars + residual[1]
        residual = self.perceptron(*normalise_streams(multivectors, scalars))
        return multivectors + residual[0], scalars + residual[1]
