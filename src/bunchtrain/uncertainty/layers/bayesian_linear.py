"""Bayesian linear layer: Gaussian weights, trained by the local reparameterisation trick.

For inputs x and weights w ~ N(μ, σ²), the outputs are Gaussian with mean μx + b and variance σ²x²,
and are drawn as such, one by one for each event (arXiv:1506.02557). Weights that the points of an
event share are drawn once a step instead (arXiv:1505.05424): their outputs are not independent.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.uncertainty.layers.drawn import Drawn

#: Initial log σ², so narrow that the training begins as that of the plain network.
NARROW = -9.0
#: Change of log σ² with its parameter: an optimiser such as Adam moves a parameter by about the
#: learning rate a step, and log σ² has some units to go where a mean has hundredths.
SPEED = 20.0


class BayesianLinear(Drawn):
    """Linear layer whose weights are independent Gaussians and whose bias is a number.

    layer   the linear layer whose weights become the means.
    prior   standard deviation of the weights before the data, in units of 1/√n for n inputs.
    """

    def __init__(self, layer: nn.Linear, prior: float) -> None:
        super().__init__()
        self.mean, self.bias = layer.weight, layer.bias
        self.prior = prior / math.sqrt(layer.in_features)
        self.widening = nn.Parameter(torch.zeros_like(layer.weight))
        self.events = 0

    @property
    def log_variance(self) -> Tensor:
        """Log σ² of the weights, (outputs, inputs)."""
        return NARROW + SPEED * self.widening

    @property
    def weight(self) -> Tensor:
        """Raise StudyError: a model that computes with the weights itself would leave σ out."""
        raise StudyError(
            "posterior 'bayes_by_backprop' needs a model that calls its linear layers, and this "
            "one computes with their weights itself; use 'dense_network', 'particle_flow_network' "
            "or the posterior 'deep_ensemble'"
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (rows, outputs) from (rows, inputs): drawn in training, else of the mean."""
        if self.drawing and self.drawn is None:
            self.drawn = self._weights()
        if self.drawn is not None:
            return functional.linear(inputs, self.drawn, self.bias)
        if self.training and len(inputs) != self.events:
            return functional.linear(inputs, self._weights(), self.bias)
        mean = functional.linear(inputs, self.mean, self.bias)
        if not self.training:
            return mean
        variance = functional.linear(inputs.square(), self.log_variance.exp())
        return mean + (variance + 1e-12).sqrt() * torch.randn_like(mean)

    def _weights(self) -> Tensor:
        return self.mean + (self.log_variance / 2).exp() * torch.randn_like(self.mean)

    def divergence(self) -> Tensor:
        """Return KL(N(μ, σ²) ‖ N(0, s²)) = ½ Σ [log s²/σ² + (μ² + σ²)/s² − 1] in nats."""
        variance, prior = self.log_variance.exp(), self.prior**2
        ratio = (self.mean.square() + variance) / prior
        return 0.5 * (math.log(prior) - self.log_variance + ratio - 1).sum()
