"""Interaction network: what every particle does to every other, summed up, particle by particle."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.all_pairs import all_pairs, linear_of_pairs
from bunchtrain.networks.layers.dense import Activation, activate, dense, linear, perceptron
from bunchtrain.networks.layers.packing import segment_sum


class InteractionNetwork(nn.Module):
    """Interaction network on packed particles (arXiv:1612.00222, 1908.05318).

        e_i = Σ_{j ≠ i} φ_R(x_i, x_j) / n̄,   o_i = φ_O(x_i, e_i),   output = φ_C(Σ_i o_i / n̄),

    j running over the other particles of the jet, and φ_R, φ_O, φ_C being dense networks. The
    default widths are those of JEDI-net with the sum over the particles. In the papers n̄ = 1; where
    it is the number of particles of a usual jet, a training does not begin with outputs of tens.
    The order of the particles does not count. Memory grows with the number of pairs in a batch.

    Args:
        features: numbers of a particle.
        outputs: numbers that the network gives.
        relation: widths of φ_R.
        objects: widths of φ_O.
        classifier: hidden widths of φ_C.
        typical: n̄, particles of a usual jet.
        activation: activation function.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        relation: tuple[int, ...] = (50, 25, 12),
        objects: tuple[int, ...] = (50, 25, 6),
        classifier: tuple[int, ...] = (50, 25),
        typical: float = 1.0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.typical = typical
        self.pair = linear(2 * features, relation[0], activation)
        self.relation = nn.Sequential(
            activate(activation), dense(relation[0], relation[1:], activation)
        )
        self.objects = dense(features + relation[-1], objects, activation)
        self.classifier = perceptron(objects[-1], classifier, outputs, activation)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        pairs = all_pairs(lengths, features.shape[0], own=False)
        effects = self.relation(linear_of_pairs(self.pair, features, pairs))  # (pairs, width)
        made = self.objects(torch.cat([features, pairs.sum(effects) / self.typical], 1))
        jets: Tensor = self.classifier(segment_sum(made, lengths) / self.typical)
        return jets
