"""Random layers, and posteriors that replace layers of the model by them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.methods.task import derive_seed
from bunchtrain.uncertainty.posterior import MakeModel, Posterior, require_draws

#: Initial log σ², so small that the training begins as that of the plain network.
INITIAL_LOG_VARIANCE = -9.0
#: Change of log σ² with its parameter: an optimiser such as Adam moves a parameter by about the
#: learning rate per step, and log σ² has to change by units where a mean changes by hundredths.
PARAMETER_SCALE = 20.0


class RandomLayer(nn.Module):
    """A layer that is random in training and in draws.

    A draw is the same for all events and all points, as is a draw of the network's weights; so a
    prediction does not depend on the other events of the batch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.drawing = False
        self.drawn: Tensor | None = None

    def draw(self) -> None:
        """Discard the last draw and make another at the next call."""
        self.drawing, self.drawn = True, None

    def release(self) -> None:
        """Return to the mean."""
        self.drawing, self.drawn = False, None


class RandomDropout(RandomLayer):
    """Dropout: a mask per event in training, one mask for all events in a draw (arXiv:1506.02142).

    layer   the dropout whose probability it takes.
    """

    def __init__(self, layer: nn.Dropout) -> None:
        super().__init__()
        self.p = layer.p

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs (..., units), some units zero and the others scaled by 1/(1 − p)."""
        if not self.drawing:
            return functional.dropout(inputs, self.p, self.training)
        if self.drawn is None:
            units = inputs.new_ones(inputs.shape[-1])
            self.drawn = torch.bernoulli(units * (1 - self.p)) / (1 - self.p)
        return inputs * self.drawn


class BayesianLinear(RandomLayer):
    """Linear layer whose weights are independent Gaussians, with a deterministic bias.

    For inputs x and weights w ~ N(μ, σ²) the outputs are Gaussian with mean μx + b and variance
    σ²x², and are drawn as such, independently for each event (local reparameterisation,
    arXiv:1506.02557). Weights that the points of an event share are drawn once per step instead
    (arXiv:1505.05424): their outputs are not independent.

    layer   the linear layer whose weights become the means.
    prior   standard deviation of the prior of the weights, in units of 1/√n for n inputs.
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
        return INITIAL_LOG_VARIANCE + PARAMETER_SCALE * self.widening

    @property
    def weight(self) -> Tensor:
        """Raise StudyError: a model that uses the weights directly would ignore σ."""
        raise StudyError(
            "posterior 'bayes_by_backprop' needs a model that calls its linear layers, and this "
            "one computes with their weights itself; use 'dense_network', 'particle_flow_network' "
            "or the posterior 'deep_ensemble'"
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return (rows, outputs) from (rows, inputs): random in training, else of the mean."""
        if self.drawing and self.drawn is None:
            self.drawn = self._draw_weights()
        if self.drawn is not None:
            return functional.linear(inputs, self.drawn, self.bias)
        if self.training and len(inputs) != self.events:
            return functional.linear(inputs, self._draw_weights(), self.bias)
        mean = functional.linear(inputs, self.mean, self.bias)
        if not self.training:
            return mean
        variance = functional.linear(inputs.square(), self.log_variance.exp())
        return mean + (variance + 1e-12).sqrt() * torch.randn_like(mean)

    def _draw_weights(self) -> Tensor:
        return self.mean + (self.log_variance / 2).exp() * torch.randn_like(self.mean)

    def divergence(self) -> Tensor:
        """Return KL(N(μ, σ²) ‖ N(0, s²)) = ½ Σ [log s²/σ² + (μ² + σ²)/s² − 1] in nats."""
        variance, prior = self.log_variance.exp(), self.prior**2
        ratio = (self.mean.square() + variance) / prior
        return 0.5 * (math.log(prior) - self.log_variance + ratio - 1).sum()


def replace_layers(
    module: nn.Module, old: type[nn.Module], new: type[RandomLayer], *options: float
) -> int:
    """Replace every layer of type `old` by `new(layer, *options)`; return their count."""
    count = 0
    for name, child in module.named_children():
        if type(child) is old:
            setattr(module, name, new(child, *options))  # type: ignore[call-arg]
            count += 1
        else:
            count += replace_layers(child, old, new, *options)
    return count


class RandomLayersPosterior(Posterior):
    """A posterior whose random layers replace layers of the model.

    draws  count of draws of a prediction.
    """

    def __init__(self, make: MakeModel, seed: int, draws: int, name: str) -> None:
        super().__init__(make, seed)
        require_draws(draws, name)
        self.count = draws

    @property
    def random_layers(self) -> Iterator[RandomLayer]:
        """The random layers."""
        return (layer for layer in self.model.modules() if isinstance(layer, RandomLayer))

    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs)."""
        with torch.random.fork_rng():
            outputs = [self._draw(index, tensors) for index in range(self.count)]
        for layer in self.random_layers:
            layer.release()
        return torch.stack(outputs)

    def _draw(self, index: int, tensors: dict[str, Tensor]) -> Tensor:
        torch.manual_seed(derive_seed(self.seed, index))
        for layer in self.random_layers:
            layer.draw()
        output: Tensor = self.model(**tensors)
        return output
