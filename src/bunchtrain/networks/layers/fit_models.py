"""Base of models that are fit in one call, not by gradient: input checks, samples, losses.

They work on arrays and need no torch. What they evaluate is written for arrays and tensors alike,
so that exports can trace it, see `methods.fitted_network.FittedModule`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError, RunError, StudyError, one_of
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.progress_events import report

Batches = Iterable[Batch]
#: Penalties with their factors λ.
Penalties = Sequence[tuple[Loss, float]]
#: One row per round: `training_loss` and, with validation events, `validation_loss`.
History = list[dict[str, float]]


def part_name(part: object) -> str:
    """Return the name of a part in a study: that of its module."""
    return type(part).__module__.rpartition(".")[2]


class FitModel:
    """A model with `fit(training, validation, loss, seed, threads)`, not trained by gradient.

    table    number of features.
    outputs  number of outputs.
    """

    #: Names of the arrays that `forward` takes.
    tensors: ClassVar[tuple[str, ...]] = ("table",)
    #: Whether it is a `torch.nn.Module`, too, and takes tensors.
    takes_tensors: ClassVar[bool] = False
    #: Whether `fit` continues from what has been loaded.
    continues_fit: ClassVar[bool] = False
    #: Whether values are fitted as (value − mean) / standard deviation.
    standardises: ClassVar[bool] = True
    #: Losses that the library can fit → their names in the library.
    supported_losses: ClassVar[Mapping[str, str]] = {}

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__()
        self.features, self.outputs = table, outputs

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what `forward` does."""
        return self.forward(*inputs, **named)

    def forward(self, table: Any) -> Any:
        """Return the outputs (batch, outputs) from `table` (batch, feature).

        Raises RunError before the fit.
        """
        self.check_is_fitted()
        return self.evaluate(self.arrays(), table)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name that `evaluate` uses."""
        raise NotImplementedError

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return the outputs (batch, outputs).

        arrays  those of `arrays`, in the type of the table.
        table   (batch, feature), an array or a tensor.
        """
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Return the arrays that are saved, by name."""
        return self.arrays()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set what `state` has returned; raises KeyError or ValueError for another model's."""
        raise NotImplementedError

    @property
    def is_fitted(self) -> bool:
        """True once the model is fit or loaded."""
        raise NotImplementedError

    def check_is_fitted(self) -> None:
        """Raise RunError before the fit."""
        if not self.is_fitted:
            raise RunError(f"model '{part_name(self)}' is not fitted yet; call its 'fit' first")

    def check_terms(self, losses: Sequence[Loss]) -> None:
        """Raise StudyError if the model cannot fit these terms of the loss, a head the first."""
        assert isinstance(losses[0], Head)  # as the task sorts them
        self.check_loss(losses[0])
        if len(losses) > 1:
            raise StudyError(
                f"model '{part_name(self)}' fits one loss; the study gives {len(losses)}"
            )

    def check_loss(self, loss: Head) -> None:
        """Raise StudyError, naming the supported ones, if the model cannot fit this loss."""
        name, model = loss.name, part_name(self)
        if name not in self.supported_losses:
            raise StudyError(
                f"model '{model}' cannot fit loss '{name}'; it fits {one_of(self.supported_losses)}"
            )
        if isinstance(loss, CrossEntropy) and loss.label_smoothing > 0:
            raise StudyError(
                f"model '{model}' cannot fit loss '{name}' with 'label_smoothing'; set it to 0"
            )
        if loss.outputs != self.outputs:
            raise StudyError(
                f"model '{model}' fits one target only, and its {self.outputs} outputs are not the "
                f"{loss.outputs} of loss '{name}' on target '{loss.target.name}'; give each target "
                "a model of its own"
            )

    @property
    def parameter_count(self) -> int:
        """Count of weights and biases."""
        return 0

    def mean_losses(
        self, loss: Head, training: Iterable[Batch], validation: Iterable[Batch]
    ) -> dict[str, float]:
        """Return the weighted mean loss of the outputs on both sets, as a row of the history."""
        both = {"training_loss": training, "validation_loss": validation}
        means = {name: self._mean_loss(loss, batches) for name, batches in both.items()}
        return {name: mean for name, mean in means.items() if mean is not None}

    def _mean_loss(self, loss: Head, batches: Iterable[Batch]) -> float | None:
        total = weights = 0.0
        for batch in batches:
            outputs = self(*(batch.inputs[name] for name in self.tensors))
            total += float((batch.weights * loss.array_losses(outputs, batch)).sum())
            weights += float(batch.weights.sum())
        return total / weights if weights else None


class LinearFitModel(FitModel):
    """A linear classifier W x + b fit in one call; W and b are NaN before."""

    supported_losses: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "log_loss",
        "binary_cross_entropy": "log_loss",
    }

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__(table, outputs)
        self.set_parameters(np.full((outputs, table), np.nan), np.full(outputs, np.nan))

    @property
    def is_fitted(self) -> bool:
        """True once W and b are set."""
        return not np.isnan(self.bias).any()

    @property
    def parameter_count(self) -> int:
        """Count of weights and biases."""
        return int(self.weight.size + self.bias.size)

    def set_parameters(self, weight: Array, bias: Array) -> None:
        """Set W (outputs, feature) and b (outputs,)."""
        self.weight = weight.astype(np.float32).reshape(self.outputs, self.features)
        self.bias = bias.astype(np.float32).reshape(self.outputs)

    def arrays(self) -> dict[str, Array]:
        """Return W and b, with the names of a linear layer of a network."""
        return {"layer.weight": self.weight, "layer.bias": self.bias}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set W and b."""
        self.set_parameters(state["layer.weight"], state["layer.bias"])

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return W x + b, (batch, outputs)."""
        return table @ arrays["layer.weight"].T + arrays["layer.bias"]


@dataclass(frozen=True)
class Sample:
    """Events as NumPy arrays.

    table   (events, feature) float32, or another tensor; NaN is a missing value.
    target  (events,) class indices or values, or (events, value).
    weight  (events,).
    """

    table: NDArray[np.float32]
    target: NDArray[Any]
    weight: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.table)


def iterate_samples(
    batches: Iterable[Batch], loss: Head, tensor: str = "table"
) -> Iterator[Sample]:
    """Yield the non-empty batches as arrays, event weights multiplied by class weights.

    Raises StudyError for negative weights.
    """
    for batch in batches:
        if len(batch) > 0:
            yield _to_sample(batch, loss, tensor)


def _to_sample(batch: Batch, loss: Head, tensor: str) -> Sample:
    target, weight = batch.targets[loss.target.name], batch.weights
    if (weight < 0).any():
        raise StudyError(
            "a model that is not trained by gradient supports no negative weights; set "
            "'weights.negative' to 'absolute' or 'drop'"
        )
    if isinstance(loss, CrossEntropy):
        weight = weight * loss.factors[target]
    flat = target.squeeze(1) if target.ndim == 2 and target.shape[1] == 1 else target
    return Sample(batch.inputs[tensor].astype(np.float32, copy=False), flat, weight)


def load_sample(batches: Iterable[Batch], loss: Head, tensor: str = "table") -> Sample | None:
    """Return all events as one sample, or None if there are none."""
    parts = list(iterate_samples(batches, loss, tensor))
    if not parts:
        return None
    return Sample(
        np.concatenate([part.table for part in parts]),
        np.concatenate([part.target for part in parts]),
        np.concatenate([part.weight for part in parts]),
    )


def load_training_sample(batches: Iterable[Batch], loss: Head, tensor: str = "table") -> Sample:
    """Return all training events as one sample.

    Raises DataError if there are none, or if a class has none.
    """
    sample = load_sample(batches, loss, tensor)
    if sample is None:
        raise DataError("the training set has no events; loosen 'select' or change 'split'")
    check_all_classes(loss, np.unique(sample.target).tolist())
    return sample


def check_all_classes(loss: Head, found: Collection[int]) -> None:
    """Raise DataError if a class index of the target is not among those found in training."""
    for index, name in enumerate(loss.target.classes):
        if index not in found:
            raise DataError(
                f"the training set has no event of class '{name}' of target "
                f"'{loss.target.name}'; check its condition and 'select'"
            )


def report_round(done: int, rounds: int, losses: Mapping[str, float]) -> None:
    """Report the losses after a round to the events of the stage, about once a second."""
    report(
        done,
        rounds,
        text=f"round {done}/{rounds}",
        loss=losses["training_loss"],
        validation_loss=losses.get("validation_loss"),
    )
