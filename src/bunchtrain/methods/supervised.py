"""Supervised network: normalisation, model and heads as one module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.methods.model_inputs import input_names, without_points
from bunchtrain.methods.protocols import (
    EmbedsEdges,
    EmbedsPoints,
    FitsInOneCall,
    HasPosterior,
    IsCausal,
    ScoresCombinations,
    TrainsEnsemble,
)
from bunchtrain.methods.weighted_sum import (
    BeforeLoss,
    Term,
    WeightedSums,
    average_members,
    weighted_sums,
)
from bunchtrain.networks.layers.axis_readout import (
    axis_readout,
    causal_readout,
    edge_context,
    point_context,
)
from bunchtrain.networks.layers.combination_readout import CombinationReadout
from bunchtrain.targets import Assignment

#: Outputs of a mixture, (batch, outputs), from those of its components (draw, batch, outputs).
Aggregate = Callable[[Tensor], Tensor]


class Network(nn.Module):
    """Normalisation, model and heads as one module.

    normalisation  maps input tensors to input tensors, fitted on the training set.
    model          takes the tensors that its `forward` names and gives (batch, sum of heads); an
                   ensemble gives (member, batch, sum of heads).
    heads          target name → count of outputs, in the order of the columns.
    aggregates     target name → function from the outputs of draws or members to those of their
                   mixture; the mean where not given.
    axes           target name → `point` or `edge`, whose outputs are (points or edges, outputs)
                   and are computed from the points that the model embeds.
    edge_features  number of features of an edge, of the tensor `edge_features`.
    assignments    target name → its assignment, whose outputs are scores of combinations of points,
                   (combinations, 1); they are computed from the points that the model embeds, or by
                   the model itself.
    has_momenta    whether the inputs have the momenta of points, which assignments use.
    embedding      number of indices in the tensor `words` and size of the vector of each, which the
                   model takes as `features`; None without words.

    Raises StudyError if a target is of points or edges and the model does not embed points.

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
        axes: Mapping[str, str] | None = None,
        edge_features: int = 0,
        assignments: Mapping[str, Assignment] | None = None,
        *,
        has_momenta: bool = False,
        embedding: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.model = model
        self.heads = dict(heads)
        self.aggregates = dict(aggregates or {})
        self.model_inputs = self.input_names = input_names(model)
        self.embedding = nn.Embedding(*embedding) if embedding else None
        if embedding:
            renamed = ("words" if name == "features" else name for name in self.model_inputs)
            self.input_names = tuple(renamed)
        self.is_causal = isinstance(model, IsCausal) and model.is_causal
        self.readouts = nn.ModuleDict()
        self.axes: dict[str, str] = {}
        self.assignments: dict[str, Assignment] = {}
        if assignments and not isinstance(model, ScoresCombinations):
            self.assignments = dict(assignments)
        if axes or self.assignments:
            self._add_readouts(model, axes or {}, edge_features, has_momenta=has_momenta)
        self.register_buffer("shift", torch.zeros(sum(heads.values())))
        self.register_buffer("scale", torch.ones(sum(heads.values())))
        #: Target → mean and standard deviation (value,) of its values, during the training only.
        self.units: dict[str, tuple[Tensor, Tensor]] = {}

    def _add_readouts(
        self, model: nn.Module, axes: Mapping[str, str], features: int, *, has_momenta: bool
    ) -> None:
        if not isinstance(model, EmbedsPoints):
            raise without_points(model, next(iter([*axes, *self.assignments])))
        self.axes = dict(axes)
        for target, axis in axes.items():
            if axis == "point" and self.is_causal:
                width, outputs = model.point_width, self.heads[target]
                self.readouts[target] = causal_readout(width, outputs)
                continue
            embedded = model.point_width if isinstance(model, EmbedsEdges) else features
            own = embedded if axis == "edge" else 0
            self.readouts[target] = axis_readout(model.point_width, self.heads[target], own)
        for target, assignment in self.assignments.items():
            self.readouts[target] = CombinationReadout(
                2 * model.point_width, assignment, has_momenta=has_momenta
            )
        if set(self.readouts) == set(self.heads):
            for name in model.event_modules:
                delattr(model, name)
        needed: tuple[str, ...] = ("edges", "edge_features") if features else ("edges",)
        needed = needed if "edge" in axes.values() else ()
        needed += ("momenta",) if self.assignments and has_momenta else ()
        self.input_names = tuple(dict.fromkeys((*self.input_names, *needed)))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (batch, outputs), of an ensemble those of the mixture."""
        outputs = self._scale(self._outputs(inputs))
        for head, values in outputs.items():
            if values.ndim == 3:
                aggregate = self.aggregates.get(head)
                outputs[head] = aggregate(values) if aggregate else values.mean(0)
        return outputs

    def members(self, inputs: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return head → (batch, outputs) of each member of an ensemble, or of the one network.

        They are those of the model, for losses with the targets of `standardise`.
        """
        heads = self._outputs(inputs)
        if next(iter(heads.values())).ndim == 2:
            return [heads]
        members = zip(*(values.unbind() for values in heads.values()), strict=True)
        return [dict(zip(heads, member, strict=True)) for member in members]

    def draws(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (draw, batch, outputs); one draw of a model without a posterior."""
        model = self.model
        if isinstance(model, HasPosterior):
            return self._scale(self._heads(model.draws(**self.normalise(inputs))))
        return {head: values[None] for head, values in self._scale(self._outputs(inputs)).items()}

    def loss_sums(
        self, terms: Sequence[Term], batch: Batch, before: BeforeLoss | None = None
    ) -> WeightedSums:
        """Return Σ w ℓ and Σ w over a batch of the terms of the loss, for an ensemble the means.

        before  called with the outputs of each member, to train the opponents of a game.
        """
        members = self.members(batch.inputs)
        batch = self.standardise(batch)
        if before:
            for outputs in members:
                before(outputs, batch)
        return average_members([weighted_sums(terms, outputs, batch) for outputs in members])

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
        if self.embedding is not None:
            normalised["features"] = self.embedding(normalised.pop("words"))
        return normalised

    def _outputs(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (rows, outputs) of the model, of an ensemble (member, batch, outputs)."""
        tensors, model = self.normalise(inputs), self.model
        if not self.readouts:
            return self._heads(model(**tensors))
        assert isinstance(model, EmbedsPoints)  # checked in the constructor
        given = {name: tensors[name] for name in self.model_inputs}
        of_edges: Tensor | None
        if isinstance(model, EmbedsEdges):
            points, of_edges = model.embed_edges(**given)
        else:
            points, of_edges = model.embed_points(**given), tensors.get("edge_features")
        lengths, axes = tensors["lengths"], set(self.axes.values())
        of_events = len(self.readouts) < len(self.heads)
        found = self._heads(model.read_out(points, lengths)) if of_events else {}
        context: dict[str, Tensor] = {}
        if "point" in axes:
            context["point"] = points if self.is_causal else point_context(points, lengths)
        if "edge" in axes:
            context["edge"] = edge_context(points, tensors["edges"], of_edges)
        found |= {name: self.readouts[name](context[axis]) for name, axis in self.axes.items()}
        if self.assignments:
            both, momenta = point_context(points, lengths), tensors.get("momenta")
            found |= {n: self.readouts[n](both, lengths, momenta) for n in self.assignments}
        return {name: found[name] for name in self.heads}

    def _heads(self, output: Tensor) -> dict[str, Tensor]:
        sizes = {name: size for name, size in self.heads.items() if name not in self.readouts}
        return dict(zip(sizes, torch.split(output, list(sizes.values()), -1), strict=True))

    def _scale(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the outputs in the units of the values."""
        sizes = list(self.heads.values())
        scales, shifts = torch.split(self.scale, sizes), torch.split(self.shift, sizes)
        return {
            name: outputs[name] * scale + shift
            for name, scale, shift in zip(self.heads, scales, shifts, strict=True)
        }

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

    @property
    def trained_parameters(self) -> int:
        """Count of parameters that are trained by gradient."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)
