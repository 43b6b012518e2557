"""L-GATr: a transformer with tokens of multivectors of the space-time algebra."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.attention import block_diagonal_mask, prepend_tokens
from bunchtrain.networks.layers.multivector_layers import (
    EquivariantLinear,
    MultivectorBlock,
    normalise_streams,
)
from bunchtrain.networks.layers.multivectors import BASIS, vectors
from bunchtrain.networks.layers.packing import starts
from bunchtrain.parts.ranges import Depth, Positive, Width


class LGATr(nn.Module):
    """Lorentz-equivariant geometric algebra transformer (arXiv:2405.14806, 2411.00446).

    Each particle is a token of multivectors x (16 components: scalar, vector, bivector, axial
    vector, pseudoscalar), initially its momentum as a vector, and of scalars s. A block is

        x ← x + Linear(Attention(Linear(Norm(x)))),    attention by the inner product ⟨q, k⟩,
        x ← x + Linear(gate(Linear(Linear(Norm(x)) · Linear(Norm(x))))),    · geometric product,

    with every map equivariant: Linear mixes channels grade by grade, and adds their product with
    the pseudoscalar. An additional global token, initially 0, is read out: a linear layer maps the
    scalar parts of its multivectors and its scalars to the outputs. Without `beam` and `time` the
    outputs are invariant under boosts and rotations of the jet's particles. The beam token is the
    plane transverse to the beam, γ₁₂, and the time token is γ₀; with the beam the outputs are
    invariant under boosts along it and rotations around it only, with both under rotations around
    it only.

    The paper's tagger has 12 blocks of 16 multivectors and 32 scalars, 8 heads, `widen` 2 and both
    reference tokens; the default is smaller.

    momenta       4, for (E, px, py, pz) in GeV.
    outputs       number of outputs.
    multivectors  multivectors of a token.
    scalars       scalars of a token.
    blocks        number of blocks.
    heads         attention heads.
    widen         ratio of the widths of queries, keys, values and hidden layers to that of tokens.
    beam          add the beam token.
    time          add the time token.
    unit          unit of the momenta in GeV.
    spread        maximum ratio of the longest to the shortest jet in a padded block.

    Raises StudyError if heads do not divide the widened multivectors and scalars.
    """

    references: Tensor  # (16, tokens, 1), the global token and the reference tokens

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        multivectors: Width = 8,
        scalars: Width = 16,
        blocks: Depth = 4,
        heads: Annotated[int, Field(ge=1, le=1024)] = 4,
        widen: Depth = 2,
        beam: bool = True,
        time: bool = True,
        unit: Positive = 20.0,
        spread: Annotated[float, Field(ge=1, le=1000)] = 1.2,
    ) -> None:
        super().__init__()
        if (widen * multivectors) % heads or (widen * scalars) % heads:
            raise StudyError(
                f"l_gatr: {heads} heads do not divide {widen} × {multivectors} multivectors and "
                f"{widen} × {scalars} scalars; choose multiples of the heads"
            )
        self.heads, self.unit, self.spread = heads, unit, spread
        planes = [(1, 2)] * beam + [(0,)] * time
        references = torch.zeros(16, 1 + len(planes), 1)
        for token, plane in enumerate(planes, 1):
            references[BASIS.index(plane), token] = 1.0
        self.register_buffer("references", references, persistent=False)
        width = multivectors, scalars
        self.embed = EquivariantLinear((1, 2 + len(planes)), width)
        self.blocks = nn.ModuleList(MultivectorBlock(width, heads, widen) for _ in range(blocks))
        self.head = nn.Linear(multivectors + scalars, outputs)

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed.
        lengths  (batch,), points of each jet.
        """
        tokens, source = prepend_tokens(lengths, momenta.shape[0], self.references.shape[1])
        points, kinds = self._embed_tokens(momenta, lengths, source)
        order, padded = block_diagonal_mask(tokens, kinds, self.heads, self.spread)
        multivectors, scalars = self.embed(points[:, order], kinds[order])
        for block in self.blocks if padded else ():
            multivectors, scalars = block(multivectors, scalars, padded)
        position = torch.empty_like(order).index_copy(
            0, order, torch.arange(order.shape[0], device=order.device)
        )
        first = position[starts(tokens)]  # the global token of each jet
        multivectors, scalars = normalise_streams(multivectors[:, first], scalars[first])
        outputs: Tensor = self.head(torch.cat([multivectors[0], scalars], 1))
        return outputs

    def _embed_tokens(
        self, momenta: Tensor, lengths: Tensor, source: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return multivectors and one-hot kinds, as scalars, of tokens and particles."""
        batch, count = lengths.shape[0], self.references.shape[1]
        references = self.references.to(momenta.dtype)
        points = torch.cat([references.repeat(1, batch, 1), vectors(momenta / self.unit)], 1)
        kinds = torch.eye(count + 1, dtype=momenta.dtype, device=momenta.device)
        kind = torch.cat(
            [kinds[:count].repeat(batch, 1), kinds[count:].expand(momenta.shape[0], -1)]
        )
        return points[:, source], kind[source]
