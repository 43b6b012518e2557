"""LorentzNet: message passing by Minkowski products of the particles' momenta."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.cpu_kernels import linear, runs_in_chunks
from bunchtrain.networks.layers.four_momenta import add_beams, minkowski
from bunchtrain.networks.layers.message_kernels import JetMessages, pair_moments
from bunchtrain.networks.layers.normalisation import fold, normalise, update_running_moments
from bunchtrain.networks.layers.packing import segment_mean
from bunchtrain.networks.layers.pairs import OrderedPairs, linear_on_pairs, ordered_pairs
from bunchtrain.parts.ranges import Depth, Dropout, Finite, Width


def signed_log(values: Tensor) -> Tensor:
    """Return ψ(z) = sgn(z) ln(|z| + 1)."""
    return values.sign() * values.abs().log1p()


class LorentzNet(nn.Module):
    """Lorentz-equivariant graph network on packed particles (arXiv:2201.08187).

    Each particle has a vector x_i, initially its momentum, and scalars h_i, initially a function of
    its mass. A block passes messages, where j runs over the other particles of the jet:

        m_ij = φ_e(h_i, h_j, ψ(‖x_i − x_j‖²), ψ(⟨x_i, x_j⟩)),
        x_i' = x_i + c Σ_j φ_x(m_ij) x_j,
        h_i' = h_i + φ_h(h_i, Σ_j φ_m(m_ij) m_ij, h_i⁰),

    with ψ(z) = sgn(z) ln(|z| + 1), ⟨,⟩ the Minkowski product and φ_m between 0 and 1; h_i⁰ are the
    scalars of the input. Two dense layers follow the mean of h over the jet. The outputs are
    invariant under boosts and rotations of the jet's particles. With `beams`, two beams
    (√2, 0, 0, ±1), marked by a scalar, are added to each jet as particles, and the outputs are
    invariant under rotations around them only. Memory grows with the number of pairs: the paper
    trains with batches of 32 jets, with beams. The vectors are updated as in the paper's equation;
    its published code updates them by the mean over j of φ_x(m_ij) (x_i − x_j).

    momenta  4, for (E, px, py, pz) in GeV.
    outputs  number of outputs.
    width    scalars of a particle, and of a message.
    blocks   number of message-passing blocks.
    step     the factor c.
    beams    add the two beams to each jet.
    dropout  fraction dropped before the last layer in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        width: Width = 72,
        blocks: Depth = 6,
        step: Finite = 5e-3,
        beams: bool = False,
        dropout: Dropout = 0.2,
    ) -> None:
        super().__init__()
        self.beams = beams
        scalars = 2 if beams else 1
        self.embed = nn.Linear(scalars, width)
        moves = [True] * (blocks - 1) + [False]  # the last vectors are not used
        self.blocks = nn.ModuleList(LorentzBlock(width, scalars, step, move) for move in moves)
        self.head = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, outputs)
        )

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed.
        lengths  (batch,), points of each jet.
        """
        inputs = []
        if self.beams:
            momenta, lengths, beam = add_beams(momenta, lengths, mass=1.0)
            inputs.append(beam.to(momenta.dtype))
        inputs.append(signed_log(minkowski(momenta, momenta)))
        scalars = torch.stack(inputs, 1)  # (points, scalar)
        # jet by jet on a CPU, where the tables of pairs need those of a particle with itself
        jets = lengths if runs_in_chunks(self.blocks, momenta) and len(lengths) else None
        pairs = ordered_pairs(lengths, momenta.shape[0], include_self=jets is not None)
        points = self.embed(scalars)
        for block in self.blocks:
            points, momenta = block(points, momenta, scalars, pairs, jets)
        outputs: Tensor = self.head(segment_mean(points, lengths))
        return outputs


class LorentzBlock(nn.Module):
    """A message-passing block; `move` updates the vectors, too."""

    def __init__(self, width: int, scalars: int, step: float, move: bool) -> None:
        super().__init__()
        self.step = step
        self.pair = nn.Linear(2 * width + 2, width, bias=False)
        self.pair_norm = nn.BatchNorm1d(width)
        self.message = nn.Linear(width, width)
        self.attention = nn.Linear(width, 1)
        self.move: nn.Module | None = None
        if move:
            last = nn.Linear(width, 1, bias=False)
            nn.init.xavier_uniform_(
                last.weight, gain=1e-3
            )  # initially the vectors are nearly constant
            self.move = nn.Sequential(nn.Linear(width, width), nn.ReLU(), last)
        self.gather = nn.Linear(2 * width + scalars, width)
        self.gather_norm = nn.BatchNorm1d(width)
        self.update = nn.Linear(width, width)

    def forward(
        self,
        points: Tensor,
        momenta: Tensor,
        scalars: Tensor,
        pairs: OrderedPairs,
        jets: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Return h (points, width) and x (points, 4) after the block.

        jets  lengths (batch,), for pairs with (i, i) that are computed jet by jet, or None.
        """
        products = self._products(momenta, pairs)
        if jets is not None:
            received, shift = self._jet_by_jet(points, momenta, products, jets)
        else:
            received, shift = self._all_pairs(points, momenta, products, pairs)
        if self.move is not None:
            momenta = momenta + self.step * shift
        gathered = self.gather(torch.cat([points, received, scalars], 1))
        update = self.update(functional.relu(normalise(gathered, self.gather_norm)))
        return points + update, momenta

    def _products(self, momenta: Tensor, pairs: OrderedPairs) -> Tensor:
        """Return ψ(‖x_i − x_j‖²) and ψ(⟨x_i, x_j⟩), (pairs, 2)."""
        one, other = momenta[pairs.receiver], momenta[pairs.sender]
        difference = one - other
        products = torch.stack([minkowski(difference, difference), minkowski(one, other)], 1)
        return signed_log(products)

    def _all_pairs(
        self, points: Tensor, momenta: Tensor, products: Tensor, pairs: OrderedPairs
    ) -> tuple[Tensor, Tensor]:
        hidden = linear_on_pairs(self.pair, points, pairs, products)
        hidden = functional.relu(normalise(hidden, self.pair_norm))
        message = functional.relu(self.message(hidden))  # (pairs, width)
        received = pairs.sum(torch.sigmoid(self.attention(message)) * message)
        if self.move is None:
            return received, torch.zeros_like(momenta)
        return received, pairs.sum(self.move(message) * momenta[pairs.sender])

    def _jet_by_jet(
        self, points: Tensor, momenta: Tensor, products: Tensor, jets: Tensor
    ) -> tuple[Tensor, Tensor]:
        width = points.shape[1]
        first, second, third = torch.split(self.pair.weight, [width, width, products.shape[1]], 1)
        one, other = linear(points, first), linear(points, second)
        norm = self.pair_norm
        if norm.training and bool((jets > 1).any()):
            moments = pair_moments(one, other, products, third, jets)
            update_running_moments(norm, *moments)
            scale = norm.weight * (moments.variance + norm.eps).rsqrt()
            offset = norm.bias - moments.mean * scale
        else:
            scale, offset = fold(norm)
        layers = [self.message.weight, self.message.bias]
        layers += [self.attention.weight, self.attention.bias]
        if self.move is not None:
            layers += list(self.move.parameters())
        received, shift = JetMessages.apply(  # type: ignore[no-untyped-call]
            one * scale + offset,
            other * scale,
            products,
            third * scale[:, None],
            momenta,
            jets.tolist(),
            *layers,
        )
        return received, shift
