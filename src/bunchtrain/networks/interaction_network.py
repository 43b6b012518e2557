"""Interaction network: a function of every pair of particles, summed over the partners."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import Activation, activate, dense, linear, perceptron
from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.layers.pairs import linear_on_pairs, ordered_pairs
from bunchtrain.parts.ranges import HiddenWidths, Positive, Widths


class InteractionNetwork(nn.Module):
    """Interaction network on packed particles (arXiv:1612.00222, 1908.05318).

        e_i = Σ_{j ≠ i} φ_R(x_i, x_j) / n̄,   o_i = φ_O(x_i, e_i),   output = φ_C(Σ_i o_i / n̄),

    where j runs over the other particles of the jet, and φ_R, φ_O, φ_C are dense networks. The
    default widths are those of JEDI-net with the sum over the particles. In the papers n̄ = 1; with
    n̄ the typical number of particles of a jet, the initial outputs are of order 1. Invariant under
    permutations of the particles. Memory grows with the number of pairs in a batch.

    features    features of a particle.
    outputs     number of outputs.
    relation    widths of φ_R.
    objects     widths of φ_O.
    classifier  hidden widths of φ_C.
    typical     n̄, typical number of particles of a jet.
    activation  activation function.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        relation: Widths = (50, 25, 12),
        objects: Widths = (50, 25, 6),
        classifier: HiddenWidths = (50, 25),
        typical: Positive = 1.0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.typical, self.point_width = typical, objects[-1]
        self.pair = linear(2 * features, relation[0], activation)
        self.relation = nn.Sequential(
            activate(activation), dense(relation[0], relation[1:], activation)
        )
        self.objects = dense(features + relation[-1], objects, activation)
        self.classifier = perceptron(objects[-1], classifier, outputs, activation)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the objects o_i, (points, width)."""
        pairs = ordered_pairs(lengths, features.shape[0], include_self=False)
        effects = self.relation(linear_on_pairs(self.pair, features, pairs))  # (pairs, width)
        objects: Tensor = self.objects(torch.cat([features, pairs.sum(effects) / self.typical], 1))
        return objects

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.classifier(segment_sum(points, lengths) / self.typical)
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        return self.read_out(self.embed_points(features, lengths), lengths)
