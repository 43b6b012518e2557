"""Densities of one variable with parameters that a network predicts."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.heads._opponent import Standardise

#: Bound on |log σ| of a component, in units of the variable's standard deviation.
BOUND = 5.0


class Mixture(nn.Module):
    """Mixture of Gaussians, p(z) = Σ_k π_k N(z; μ_k, σ_k) (Bishop, NCRG/94/004, 1994).

    z is first shifted and scaled by mean and standard deviation of the first training batch.
    """

    def __init__(self, components: int) -> None:
        super().__init__()
        self.parameter_count = 3 * components
        self.standardise = Standardise()

    def initialise(self, value: Tensor) -> None:
        """Set shift and scale from the first training batch, that of all workers."""
        self.standardise.initialise(value)

    def forward(self, parameters: Tensor, value: Tensor) -> Tensor:
        """Return −log p(z), (events,), from (events, 3 components) and (events,)."""
        weights, means, logs = parameters.float().chunk(3, 1)
        logs = logs.clamp(-BOUND, BOUND)
        z: Tensor = self.standardise(value)[:, None]
        normal = -((z - means) / logs.exp()).square() / 2 - logs - math.log(2 * math.pi) / 2
        return -(weights.log_softmax(1) + normal).logsumexp(1)


class Binned(nn.Module):
    """Probability of each bin between given edges; the first and the last bin are open."""

    inner: Tensor

    def __init__(self, edges: list[float]) -> None:
        super().__init__()
        self.parameter_count = len(edges) - 1
        self.register_buffer("inner", torch.tensor(edges[1:-1]), persistent=False)

    def initialise(self, value: Tensor) -> None:
        """Do nothing: the edges are fixed."""

    def forward(self, parameters: Tensor, value: Tensor) -> Tensor:
        """Return −log p of the bin, (events,), from (events, bins) and (events,)."""
        index = torch.searchsorted(self.inner, value.contiguous(), right=True)
        return functional.cross_entropy(parameters.float(), index, reduction="none")
