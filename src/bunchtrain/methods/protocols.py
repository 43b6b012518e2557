"""Optional interfaces of models: what training, prediction and reports use where a model has it.

A model is a `torch.nn.Module` whose `forward` takes named tensors of a representation and returns
(batch, outputs). It may implement any of these; users test for them with `isinstance`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss
from bunchtrain.targets import Assignment

if TYPE_CHECKING:
    from torch import Tensor, nn

#: Tensor of the values that a density or a generator is conditional on.
CONDITION = "condition"


@runtime_checkable
class NamesInputs(Protocol):
    """A model that wraps another one, whose `forward` takes any tensors."""

    input_names: tuple[str, ...]


@runtime_checkable
class HasWeightPenalty(Protocol):
    """A model that adds a term to the loss that depends on its weights alone."""

    def weight_penalty(self, events: int) -> Tensor | float:
        """Return the term, a scalar, for a training set of this number of events."""


@runtime_checkable
class AddsNats(HasWeightPenalty, Protocol):
    """A model whose penalty on its weights is in nats, as a −log likelihood of the data is."""

    loss_per_nat: Tensor | float


@runtime_checkable
class Anneals(Protocol):
    """A model with a schedule of its own, such as pruning or an increasing penalty."""

    def anneal(self, progress: float) -> None:
        """Set the state for the next step, from the completed fraction of the training."""


@runtime_checkable
class HasPruner(Protocol):
    """A model that can remove weights during the training; None where it is not configured to."""

    pruner: object | None


@runtime_checkable
class HasComparableEpochs(Protocol):
    """A model or loss that states whether the validation losses of its epochs are comparable."""

    @property
    def is_comparable_across_epochs(self) -> bool:
        """False while a schedule or adversarial training still changes what the loss measures."""


@runtime_checkable
class CalibratesRanges(Protocol):
    """A quantised model that sets the ranges of its number formats from the training set."""

    def calibrate_ranges(self, inputs: Iterable[Mapping[str, Tensor]]) -> None:
        """Set all ranges from the model's inputs, batch by batch; iterated more than once."""


@runtime_checkable
class StartsLinear(Protocol):
    """A model with a linear function that begins as the least-squares estimate; None without it."""

    linear: nn.Linear | None
    dense: nn.Sequential
    linear_inputs: Callable[..., Tensor]


@runtime_checkable
class CountsBitOperations(Protocol):
    """A model that estimates its resource use in firmware."""

    def bit_operations(self) -> Tensor:
        """Return the effective bit operations (EBOPs) of one event, a scalar."""


@runtime_checkable
class RecordsParetoFront(CountsBitOperations, Protocol):
    """A model whose resource use changes during one training (`training.pareto_front`)."""

    @property
    def records_pareto_front(self) -> bool:
        """Whether this training scans the resource use, rather than keeping it constant."""


@runtime_checkable
class CountsOverflows(Protocol):
    """A quantised model that counts values outside the range of their format."""

    def count_overflows(self) -> AbstractContextManager[dict[str, int]]:
        """Return a context in which calls are counted: quantiser → values out of range."""


@runtime_checkable
class HasPosterior(Protocol):
    """A model with a distribution of its weights."""

    def draws(self, **tensors: Tensor) -> Tensor:
        """Return (draw, batch, outputs) for draws of the weights, the same in every call."""


@runtime_checkable
class FitsInOneCall(Protocol):
    """A model that is not trained by gradient: trees, linear models, histograms."""

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        loss: Loss,
        *,
        seed: int,
        threads: int,
    ) -> list[dict[str, float]]:
        """Fit on normalised batches; return `training_loss` and `validation_loss` per round."""


@runtime_checkable
class ChecksTerms(Protocol):
    """A model that supports some losses only, which is checked before any training."""

    def check_terms(self, losses: Sequence[Loss]) -> None:
        """Raise StudyError if the model cannot fit these terms of the loss, a head the first."""


@runtime_checkable
class ChecksInputs(Protocol):
    """A model that takes some values of its inputs only, which `check` tries on some events."""

    def check_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Raise DataError if normalised inputs have values that the model cannot take."""


@runtime_checkable
class FitsPenalties(Protocol):
    """A model that is fit in one call and whose fit includes penalties, each with its factor."""

    fits_penalties: bool

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        loss: Loss,
        *,
        seed: int,
        threads: int,
        penalties: Sequence[tuple[Loss, float]] = (),
    ) -> list[dict[str, float]]:
        """Fit as `FitsInOneCall.fit` does, with the gradients of the penalties added."""


@runtime_checkable
class HasCapsules(Protocol):
    """A model that ends in capsules, one vector per class."""

    def capsules(self, image: Tensor) -> Tensor:
        """Return the capsules, (batch, outputs, dimension)."""


@runtime_checkable
class HasFeatureImportance(Protocol):
    """A model with an importance of each input feature."""

    def feature_importance(self) -> Tensor:
        """Return the share of each feature, (feature,), of sum 1."""


@runtime_checkable
class EmbedsPoints(Protocol):
    """A model whose outputs are computed from a vector for each point.

    point_width    size of the vector.
    event_modules  names of the modules and parameters that only `read_out` uses.
    """

    point_width: int
    event_modules: tuple[str, ...]
    embed_points: Callable[..., Tensor]  # the tensors of `forward` → (points, width)

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from the vectors (points, width) and `lengths` (batch,)."""


@runtime_checkable
class IsCausal(Protocol):
    """A model of ordered points, each of whose vectors depends on the points up to it alone.

    is_causal  whether outputs of points are made of these vectors alone, without a mean over all.
    """

    is_causal: bool


@runtime_checkable
class ScoresCombinations(Protocol):
    """A model of an assignment that returns the packed scores of combinations, (combinations, 1).

    Its constructor takes the `assignment` of the target.
    """

    assignment: Assignment


@runtime_checkable
class EmbedsEdges(Protocol):
    """A model with a vector of size `point_width` for each point and each edge."""

    embed_edges: Callable[..., tuple[Tensor, Tensor]]  # → (points, width), (edges, width)


@runtime_checkable
class TrainsEnsemble(Protocol):
    """A model of several members trained together; `forward` returns (member, batch, outputs)."""

    ensemble_size: int


@runtime_checkable
class Generates(Protocol):
    """A method that generates events."""

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape).

        count      number of events.
        condition  (count, condition), normalised, None for a method without.
        """
