"""L-GATr: a transformer whose tokens are multivectors of the space-time algebra."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.jets_apart import jets_apart, with_tokens
from bunchtrain.networks.layers.multivector_layers import (
    EquivariantLinear,
    MultivectorBlock,
    normalised,
)
from bunchtrain.networks.layers.multivectors import BASIS, vectors
from bunchtrain.networks.layers.packing import starts


class LGATr(nn.Module):
    """Lorentz-equivariant geometric algebra transformer (arXiv:2405.14806, 2411.00446).

    Each particle is a token of multivectors x (16 components: scalar, vector, bivector, axial
    vector, pseudoscalar), at first its momentum as a vector, and of scalars s. A block is

        x ← x + Linear(Attention(Linear(Norm(x)))),    attention by the inner product ⟨q, k⟩,
        x ← x + Linear(gated(Linear(Linear(Norm(x)) · Linear(Norm(x))))),    · geometric product,

    with every map equivariant: Linear mixes channels grade by grade, and adds their product with
    the pseudoscalar. One more token, at first 0, gathers; the scalar parts of its multivectors and
    its scalars go to the outputs. Without `beam` and `time` the outputs are unchanged by any boost
    and rotation of the jet's particles. The beam is a token that holds the plane across it, γ₁₂,
    and the time one that holds γ₀; with the beam only boosts along it and rotations around it
    change nothing, with both only those rotations. Only particles that are there count.

    The paper's tagger has 12 blocks of 16 multivectors and 32 scalars, 8 heads, `widen` 2 and both
    references; the default is lighter.

    Args:
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        multivectors: multivectors of a token.
        scalars: scalars of a token.
        blocks: number of blocks.
        heads: attention heads.
        widen: by how much queries, keys, values and hidden layers are wider than tokens.
        beam: add the token of the beam.
        time: add the token of time.
        unit: momentum in GeV that counts as 1.
        spread: longest over shortest jet among those worked on together.

    Raises:
        StudyError: heads do not divide the widened multivectors and scalars.
    """

    references: Tensor  # (16, tokens, 1), the token that gathers and the references

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        multivectors: int = 8,
        scalars: int = 16,
        blocks: int = 4,
        heads: int = 4,
        widen: int = 2,
        beam: bool = True,
        time: bool = True,
        unit: float = 20.0,
        spread: float = 1.2,
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

        Args:
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed.
            lengths: (batch,), points of each jet.
        """
        tokens, source = with_tokens(lengths, momenta.shape[0], self.references.shape[1])
        every, kinds = self._points(momenta, lengths, source)
        order, fields = jets_apart(tokens, kinds, self.heads, self.spread)
        multivectors, scalars = self.embed(every[:, order], kinds[order])
        for block in self.blocks if fields else ():
            multivectors, scalars = block(multivectors, scalars, fields)
        place = torch.empty_like(order).index_copy(
            0, order, torch.arange(order.shape[0], device=order.device)
        )
        gathered = place[starts(tokens)]  # the first token of each jet
        multivectors, scalars = normalised(multivectors[:, gathered], scalars[gathered])
        jets: Tensor = self.head(torch.cat([multivectors[0], scalars], 1))
        return jets

    def _points(self, momenta: Tensor, lengths: Tensor, source: Tensor) -> tuple[Tensor, Tensor]:
        """Return the multivectors and the kinds, as scalars, of tokens and particles."""
        batch, number = lengths.shape[0], self.references.shape[1]
        references = self.references.to(momenta.dtype)
        every = torch.cat([references.repeat(1, batch, 1), vectors(momenta / self.unit)], 1)
        kinds = torch.eye(number + 1, dtype=momenta.dtype, device=momenta.device)
        kind = torch.cat(
            [kinds[:number].repeat(batch, 1), kinds[number:].expand(momenta.shape[0], -1)]
        )
        return every[:, source], kind[source]
