"""Bayes by backprop: the weights of all linear layers are Gaussians, trained by gradient.

L = ⟨−log p(data | w)⟩_q + T KL(q ‖ prior)/N with q(w) = Π N(μ, σ²) and N training events
(arXiv:1505.05424), the outputs drawn by local reparameterisation (arXiv:1506.02557); for taggers
arXiv:1904.10004. A mean square or absolute error is the −log likelihood of a Gaussian or Laplace
distribution of constant width, which is fitted during the training. Biases are deterministic. T = 1
is Bayes' theorem. With fewer events than weights independent Gaussians then stay close to the prior
and the network underfits; a "cold" posterior, T < 1, counts every event 1/T times
(arXiv:2002.02405).
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Draws, Positive
from bunchtrain.uncertainty.posterior import MakeModel
from bunchtrain.uncertainty.posteriors._random_layers import (
    BayesianLinear,
    RandomLayersPosterior,
    replace_layers,
)


class BayesByBackprop(RandomLayersPosterior):
    """Gaussian weights in all linear layers, with the divergence from their prior in the loss.

    Works with every model that calls its linear layers (arXiv:1505.05424).

    prior        standard deviation of the prior of the weights, in units of 1/√n in a layer of n
                 inputs, so that outputs have the magnitude of the inputs.
    temperature  factor T on the divergence from the prior.
    draws        count of draws of a prediction.
    """

    def __init__(
        self,
        make: MakeModel,
        seed: int,
        *,
        prior: Positive = 1.0,
        temperature: Positive = 1.0,
        draws: Draws = 50,
    ) -> None:
        super().__init__(make, seed, draws, "bayes_by_backprop")
        self.temperature = temperature
        #: The loss that one nat of −log likelihood is: 1 if the loss is one.
        self.loss_per_nat: Tensor | float = 1.0
        for option, value in (("prior", prior), ("temperature", temperature)):
            if value <= 0:
                raise StudyError(
                    f"posterior 'bayes_by_backprop': option '{option}' must be above 0, "
                    f"got {value:g}"
                )
        if not replace_layers(self.model, nn.Linear, BayesianLinear, prior):
            raise StudyError(
                f"posterior 'bayes_by_backprop' needs linear layers, and "
                f"{type(self.model).__name__} has none; choose another model"
            )

    @property
    def layers(self) -> list[BayesianLinear]:
        """The Bayesian layers."""
        return [layer for layer in self.model.modules() if isinstance(layer, BayesianLinear)]

    @property
    def is_comparable_across_epochs(self) -> bool:
        """False, so that the last epoch is kept.

        The validation loss is that of the mean weights alone, and would select an early epoch whose
        Gaussians are still as narrow as initially.
        """
        return False

    def forward(self, **tensors: Tensor) -> Tensor:
        """Return (batch, outputs): random in training, else of the mean weights."""
        rows = tensors["lengths"] if "lengths" in tensors else next(iter(tensors.values()))
        for layer in self.layers:
            layer.events = len(rows)
        return super().forward(**tensors)

    def weight_penalty(self, events: int) -> Tensor:
        """Return T KL(q ‖ prior)/N in units of the loss, plus the model's own penalty.

        events  number N of training events.
        """
        divergence = sum(
            (layer.divergence() for layer in self.layers), self.layers[0].mean.sum() * 0
        )
        nats = self.temperature * divergence / events
        return self.loss_per_nat * nats + super().weight_penalty(events)
