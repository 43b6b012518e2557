"""Base of the heads: losses that define the outputs of the network for a target."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._arrays import softmax, unbind
from bunchtrain.heads._loss import Loss
from bunchtrain.targets import Quantity, Target

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributions import Distribution


class Head(Loss):
    """A loss per event, and the predictions, of the outputs of the network for its target."""

    #: Whether the predictions for classes are probabilities, for which a log loss, a calibration
    #: curve and a temperature are defined.
    gives_probabilities: ClassVar[bool] = True
    #: Whether a training gives it values (value − mean) / std, and outputs in the same units.
    standardises: ClassVar[bool] = True

    def check_model(self, model: object) -> None:
        """Raise StudyError if the outputs of the model are not what the loss needs."""

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Count of the network's outputs for the target."""

    @property
    def predicted_labels(self) -> tuple[str, ...]:
        """Classes, values or roles of the target that it predicts; all of them."""
        return self.target.labels

    def output_rows(self, batch: Batch) -> int:
        """Return the number of rows of the outputs for a batch: those of the target."""
        return len(batch.targets[self.target.name])

    @abstractmethod
    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the predicted quantities, (batch,) each, from (batch, outputs).

        They are tensors; of losses that models which are fit in one call support, also arrays.
        """

    def distribution(self, output: Tensor) -> Distribution:
        """Return the predicted distribution of the target, of (batch, outputs).

        Where the loss is a likelihood, it is −log p of the truth, in the units of the outputs.
        Raises StudyError for a loss that predicts no distribution.
        """
        raise StudyError(f"loss '{self.name}' predicts no distribution of '{self.target.name}'")

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,) of outputs (batch, outputs) as arrays, as `forward` does.

        It is defined for the losses that models which are fit in one call support.
        """
        raise NotImplementedError

    def constant_output(self, batch: Batch) -> Array:
        """Return the outputs (outputs,) with the smallest weighted mean loss, the same for all.

        It is defined where `array_losses` is.
        """
        raise NotImplementedError

    def set_units(self, std: Array) -> None:
        """Set the unit of a standardised value, for options in units of the target.

        A training gives the losses (value − mean) / std, and outputs in the same units.

        std  (value,) standard deviation of each value over the training set.
        """

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return shift and scale, (outputs,) each, from outputs of order 1 to the target's units.

        With them a network learns log(E) and E in GeV equally well.

        mean  (value,) weighted mean of each value over the training set.
        std   (value,) standard deviation.
        """
        return np.zeros(self.outputs), np.ones(self.outputs)

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the outputs (batch, outputs) that describe an equal mixture of predictions.

        draws  (draw, batch, outputs).
        """
        return draws.mean(0)


class SoftmaxHead(Head):
    """A loss on the logits of the classes, one output each."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_classes()

    @property
    def outputs(self) -> int:
        """One output, a logit, for each class."""
        return len(self.target.classes)

    def aggregate(self, draws: Tensor) -> Tensor:
        """Return the logarithm of the mean probabilities, (batch, outputs)."""
        return draws.float().log_softmax(-1).logsumexp(0) - math.log(len(draws))

    def distribution(self, output: Tensor) -> Distribution:
        """Return the distribution of the class index, (batch,)."""
        from torch.distributions import Categorical

        return Categorical(logits=output.float())

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the probability of each class, (batch,) each."""
        return by_label(self.target.classes, softmax(output))


class RegressionHead(Head):
    """Mean over the target's values of ℓ(output − value), a function of the residual.

    In a training, residuals are in units of the value's standard deviation in the training set, so
    that neither its unit nor the other values matter.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.require_values()

    @property
    def outputs(self) -> int:
        """One output for each value."""
        return len(self.target.values)

    @abstractmethod
    def residual_loss(self, residual: Any) -> Any:
        """Return ℓ, of the shape of the residual output − value."""

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        residual = outputs[self.target.name].float() - self.true_values(batch)
        losses: Tensor = self.residual_loss(residual).mean(1)
        return losses

    def array_losses(self, output: Array, batch: Batch) -> Array:
        """Return the losses (batch,)."""
        residual = output.astype(np.float32) - self.true_values(batch)
        return np.asarray(self.residual_loss(residual).mean(1))

    def output_scaling(self, mean: Array, std: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of each value."""
        return mean, std

    def predictions(self, output: Any) -> dict[Quantity, Any]:
        """Return the predicted values, (batch,) each."""
        return by_label(self.target.values, output)


def by_label(labels: tuple[str, ...], columns: Any) -> dict[Quantity, Any]:
    """Return the predictions of classes or values from (batch, label)."""
    return dict(zip(map(Quantity, labels), unbind(columns), strict=True))
