"""Supervised network: normalisation, model and heads as one module."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.protocols import FitsInOneCall, HasPosterior, NamesInputs, TrainsEnsemble

#: Outputs of a mixture, (batch, outputs), from those of its components (draw, batch, outputs).
Aggregate = Callable[[Tensor], Tensor]


def input_names(model: type[nn.Module] | nn.Module) -> tuple[str, ...]:
    """Return the names of the tensors that a model's `forward` takes."""
    named: object = model
    if isinstance(named, NamesInputs):
        return named.input_names
    arguments = inspect.signature(model.forward).parameters
    return tuple(name for name in arguments if name != "self")


def check_inputs(
    model: type[nn.Module], name: str, tensors: Mapping[str, object], representation: str
) -> None:
    """Raise StudyError if a model needs a tensor that is not among those of the representation."""
    lacking = [tensor for tensor in input_names(model) if tensor not in tensors]
    if lacking:
        raise StudyError(
            f"model '{name}' needs {', '.join(map(repr, lacking))}, which representation "
            f"'{representation}' does not provide (only {', '.join(tensors)}); choose another "
            "representation"
        )


class Network(nn.Module):
    """Normalisation, model and heads as one module.

    normalisation  maps input tensors to input tensors, fitted on the training set.
    model          takes the tensors that its `forward` names and gives (batch, sum of heads); an
                   ensemble gives (member, batch, sum of heads).
    heads          target name → count of outputs, in the order of the columns.
    aggregates     target name → function from the outputs of draws or members to those of their
                   mixture; the mean where not given.

    The model learns values in units of their standard deviation in the training set, counted from
    their mean, so that a unit changes nothing. Outputs are model(inputs) · scale + shift, in the
    units of the values.
    """

    shift: Tensor  # (sum of heads,)
    scale: Tensor

    def __init__(
        self,
        normalisation: nn.Module,
        model: nn.Module,
        heads: dict[str, int],
        aggregates: Mapping[str, Aggregate] | None = None,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.model = model
        self.heads = dict(heads)
        self.aggregates = dict(aggregates or {})
        self.input_names = input_names(model)
        self.register_buffer("shift", torch.zeros(sum(heads.values())))
        self.register_buffer("scale", torch.ones(sum(heads.values())))
        #: Target → mean and standard deviation (value,) of its values, during the training only.
        self.units: dict[str, tuple[Tensor, Tensor]] = {}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (batch, outputs), of an ensemble those of the mixture."""
        outputs = self._split(self.model(**self.normalise(inputs)))
        for head, values in outputs.items():
            if values.ndim == 3:
                aggregate = self.aggregates.get(head)
                outputs[head] = aggregate(values) if aggregate else values.mean(0)
        return outputs

    def members(self, inputs: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return head → (batch, outputs) of each member of an ensemble, or of the one network.

        They are those of the model, for losses with the targets of `standardise`.
        """
        heads = self._heads(self.model(**self.normalise(inputs)))
        if next(iter(heads.values())).ndim == 2:
            return [heads]
        members = zip(*(values.unbind() for values in heads.values()), strict=True)
        return [dict(zip(heads, member, strict=True)) for member in members]

    def draws(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (draw, batch, outputs); one draw of a model without a posterior."""
        tensors, model = self.normalise(inputs), self.model
        if isinstance(model, HasPosterior):
            return self._split(model.draws(**tensors))
        return {head: values[None] for head, values in self._split(model(**tensors)).items()}

    def standardise(self, batch: Batch) -> Batch:
        """Return the batch with its values as (value − mean) / standard deviation."""
        targets = dict(batch.targets)
        for name, (mean, std) in self.units.items():
            targets[name] = (targets[name] - mean.to(targets[name])) / std.to(targets[name])
        return replace(batch, targets=targets)

    def normalise(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the normalised tensors of the model."""
        tensors = {name: inputs[name] for name in self.input_names}
        normalised: dict[str, Tensor] = self.normalisation(tensors)
        return normalised

    def _split(self, output: Tensor) -> dict[str, Tensor]:
        return self._heads(output * self.scale + self.shift)

    def _heads(self, output: Tensor) -> dict[str, Tensor]:
        sizes = list(self.heads.values())
        return dict(zip(self.heads, torch.split(output, sizes, -1), strict=True))

    @property
    def ensemble_size(self) -> int:
        """Count of networks that are trained together, 1 for all but an ensemble."""
        return self.model.ensemble_size if isinstance(self.model, TrainsEnsemble) else 1

    @property
    def has_posterior(self) -> bool:
        """True for a model with a distribution of its weights, whose predictions are draws."""
        return isinstance(self.model, HasPosterior)

    @property
    def trains_by_gradient(self) -> bool:
        """False for trees and linear models, which are fit in one call."""
        return not isinstance(self.model, FitsInOneCall)
