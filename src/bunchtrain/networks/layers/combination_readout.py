"""Scores of the combinations of points for the products of particles, from embedded points.

A combination c of points i_1, i_2, … for the products of a particle has the score

    s(c) = MLP₂(Σ_j W_j x_{i_j} + MLP₁(m(c))),

where products that may be exchanged share W, so that their order does not matter. m(c) are the
logarithms of the invariant masses of all products together, and of each set of two or more that may
be exchanged, such as m(bqq) and m(qq) of a top quark; they are used where points have momenta.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.heads._combinations import Sets, combination_masks, combinations, pack
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import starts
from bunchtrain.targets import Assignment

#: Width of a combination, and hidden widths of the network on it.
WIDTH, HIDDEN = 64, (64,)
#: Lower bound of m² in GeV² before the logarithm.
SMALLEST = 1e-2
#: ln m of 100 GeV and its spread, to which masses are scaled.
LOG_MASS, SPREAD = 4.6, 0.7


class CombinationReadout(nn.Module):
    """Scores of the combinations of each particle.

    width        features of a point, as `point_context` returns them.
    assignment   the particles with their products.
    has_momenta  whether the masses of combinations are used.
    """

    def __init__(self, width: int, assignment: Assignment, *, has_momenta: bool) -> None:
        super().__init__()
        self.assignment, self.has_momenta = assignment, has_momenta
        self.particles = nn.ModuleList(
            ParticleScore(width, sets, has_momenta=self.has_momenta)
            for sets in assignment.product_sets
        )

    def forward(self, points: Tensor, lengths: Tensor, momenta: Tensor | None = None) -> Tensor:
        """Return the packed scores (combinations, 1).

        points   (points, width), packed.
        lengths  (batch,), points of each event.
        momenta  (points, 4) as (E, px, py, pz) in GeV, where they are used.
        """
        masks = combination_masks(lengths, self.assignment)
        scores = []
        for score, mask, sets in zip(
            self.particles, masks, self.assignment.product_sets, strict=True
        ):
            index = point_combinations(lengths, mask, sets)
            found = score(points, index, momenta if self.has_momenta else None)
            scores.append(found.new_zeros(mask.shape).masked_scatter(mask, found))
        return pack(scores, masks)


def point_combinations(lengths: Tensor, mask: Tensor, sets: Sets) -> Tensor:
    """Return the packed points of each combination that exists, (combinations, products).

    lengths  (batch,), points of each event.
    mask     (batch, combinations), which exist.
    sets     of products that may be exchanged.
    """
    table = combinations(int(lengths.max()) if len(lengths) else 0, sets).to(lengths.device)
    event, row = mask.nonzero(as_tuple=True)
    return starts(lengths)[event, None] + table[row]


class ParticleScore(nn.Module):
    """Score of the combinations of one particle.

    width        features of a point.
    sets         of its products that may be exchanged.
    has_momenta  whether the masses are used.
    """

    def __init__(self, width: int, sets: Sets, *, has_momenta: bool) -> None:
        super().__init__()
        self.sets = sets
        masses = len(mass_sets(sets)) if has_momenta else 0
        self.maps = nn.ModuleList(nn.Linear(width, WIDTH) for _ in sets)
        self.masses = perceptron(masses, HIDDEN, WIDTH) if masses else None
        self.score = nn.Sequential(nn.ReLU(), perceptron(WIDTH, HIDDEN, 1))

    def forward(self, points: Tensor, index: Tensor, momenta: Tensor | None) -> Tensor:
        """Return the scores (combinations,).

        points   (points, width).
        index    (combinations, products), points of each combination.
        momenta  (points, 4).
        """
        hidden = points.new_zeros(len(index), WIDTH)
        for layer, one in zip(self.maps, self.sets, strict=True):
            projected = layer(points)
            for product in one:
                hidden = hidden + projected[index[:, product]]
        if self.masses is not None and momenta is not None:
            found = invariant_masses(momenta, index, self.sets)
            hidden = hidden + self.masses((found.log() - LOG_MASS) / SPREAD)
        scores: Tensor = self.score(hidden)
        return scores[:, 0]


def mass_sets(sets: Sets) -> list[tuple[int, ...]]:
    """Return the products whose masses are used: all, and those that may be exchanged."""
    every = tuple(sorted(index for one in sets for index in one))
    return [one for one in dict.fromkeys([every, *sets]) if len(one) > 1]


def invariant_masses(momenta: Tensor, index: Tensor, sets: Sets) -> Tensor:
    """Return the invariant masses of combinations in GeV, (combinations, masses).

    momenta  (points, 4) as (E, px, py, pz) in GeV.
    index    (combinations, products), points of each combination.
    sets     of the products that may be exchanged; the masses are those of `mass_sets`.
    """
    exact, found = momenta.double(), []
    for one in mass_sets(sets):
        total = exact[index[:, list(one)]].sum(1)
        mass2 = total[:, 0].square() - total[:, 1:].square().sum(1)
        found.append(mass2.clamp(min=SMALLEST).sqrt())
    return torch.stack(found, 1).to(momenta.dtype)
