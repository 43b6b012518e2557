"""Base of the posteriors: models with a distribution of their weights, and their predictions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.methods.model_inputs import input_names
from bunchtrain.methods.protocols import (
    Anneals,
    FitsInOneCall,
    HasComparableEpochs,
    HasWeightPenalty,
)
from bunchtrain.targets import Quantity

#: Returns the model of the study with initial weights.
MakeModel = Callable[[], nn.Module]
#: −log likelihoods (batch,) of the model's outputs (batch, outputs) for a batch.
Likelihood = Callable[[Tensor, Batch], Tensor]


class Posterior(nn.Module):
    """A model with a distribution of its weights, which replaces the model in the network.

    Called, it returns (batch, outputs) as the model does; `draws` returns them for several draws
    of the weights. A draw is the same for every event, whatever the other events of the batch.

    make  returns the model with initial weights.
    seed  seed of the draws.
    """

    #: Whether `fit_posterior` does anything.
    fits_after_training = False

    def __init__(self, make: MakeModel, seed: int) -> None:
        super().__init__()
        self.model, self.seed = make(), seed
        if isinstance(self.model, FitsInOneCall):
            raise StudyError(
                "a posterior needs a network, and this model is not trained by gradient; leave "
                "'posterior' out"
            )
        self.input_names = input_names(self.model)

    def forward(self, **tensors: Tensor) -> Tensor:
        """Return (batch, outputs) of the model with its mean weights."""
        output: Tensor = self.model(**tensors)
        return output

    @abstractmethod
    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs), the same draws in every call."""

    def fit_posterior(self, batches: Iterable[Batch], likelihood: Likelihood) -> None:
        """Fit the distribution on the training set, after the training by gradient.

        batches     normalised batches, which can be iterated repeatedly.
        likelihood  −log likelihood of each event, (batch,), from outputs and batch.
        """

    def weight_penalty(self, events: int) -> Tensor | float:
        """Return the model's term of the loss that depends on its weights alone."""
        model = self.model
        return model.weight_penalty(events) if isinstance(model, HasWeightPenalty) else 0.0

    def anneal(self, progress: float) -> None:
        """Set the model's state from the completed fraction of the training."""
        if isinstance(self.model, Anneals):
            self.model.anneal(progress)

    @property
    def is_comparable_across_epochs(self) -> bool:
        """True once only the weights change during the training."""
        model = self.model
        return not isinstance(model, HasComparableEpochs) or model.is_comparable_across_epochs


def require_draws(draws: int, posterior: str) -> None:
    """Raise StudyError for fewer than two draws, which have no standard deviation."""
    if draws < 2:
        raise StudyError(f"posterior '{posterior}': option 'draws' must be at least 2, got {draws}")


def predict_mixture(head: Head, draws: Tensor) -> dict[Quantity, Tensor]:
    """Return the predictions of an equal mixture of draws, p(y) = Σ_d p(y | draw d)/D.

    The standard deviation over the draws is the `sigma` of a quantity; where the head predicts a
    `sigma` itself, that is the total one of the mixture, and the one over the draws `sigma_model`.

    head   of the outputs.
    draws  (draw, batch, outputs); one draw has no standard deviation.
    """
    if len(draws) == 1:
        return head.predictions(draws[0])
    mixture = head.predictions(head.aggregate(draws))
    of_draws = head.predictions(draws.flatten(0, 1))
    for quantity, values in of_draws.items():
        if quantity.kind == "quantile":
            std = Quantity(quantity.label, "quantile_sigma", quantity.level)
        elif quantity.kind == "prediction":
            has_sigma = Quantity(quantity.label, "sigma") in of_draws
            std = Quantity(quantity.label, "sigma_model" if has_sigma else "sigma")
        else:
            continue
        mixture[std] = values.view(len(draws), -1).std(0)
    return mixture
