"""Construction of a task's network, with normalisation and output units from the training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.methods.build_model import build_method, build_model
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.memory_limit import check_batch
from bunchtrain.methods.model_inputs import without_points
from bunchtrain.methods.task import Task
from bunchtrain.networks.layers.fit_models import FitModel
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import Normalisation

if TYPE_CHECKING:
    from torch import nn

    from bunchtrain.methods.supervised import Network

#: A network on tensors, or a model that is fit in one call on arrays.
AnyNetwork: TypeAlias = "Network | FittedNetwork"
#: Events from which the scale of the initial outputs is estimated.
FEW = 128


def build_network(
    task: Task,
    representation: Representation,
    normalisation: Normalisation | None = None,
    spare: int = 0,
) -> AnyNetwork:
    """Return the network of a task with initial weights; its normalisation is the identity.

    spare  number of outputs of the model in addition to those of the heads.

    Raises StudyError if the parts do not fit together.
    """
    check_batch(representation.sizes, task.settings.get("batch_size", 1))
    normalisation = normalisation or Normalisation(representation.sizes)
    if task.owns_loss:
        from bunchtrain.methods.method_network import MethodNetwork
        from bunchtrain.methods.normalisation_layer import NormalisationLayer

        return MethodNetwork(NormalisationLayer(normalisation), build_method(task, representation))
    used = {name: one for name, one in task.targets.items() if name in task.heads()}
    axes = {name: one.output_axis for name, one in used.items() if one.output_axis != "event"}
    if axes and task.posterior is not None:
        raise StudyError(
            f"posterior '{task.posterior[0]}' is for targets of events, and "
            f"'{next(iter(axes))}' is of each {next(iter(axes.values()))}; remove it"
        )
    model = build_model(task, representation, spare)
    if isinstance(model, FitModel) and not model.takes_tensors:
        if axes:
            raise without_points(model, next(iter(axes)))
        return FittedNetwork(normalisation, model, task.head_sizes())
    if axes and getattr(model, "linear", None) is not None:
        raise StudyError(
            f"model '{task.model[0]}': 'linear' is for targets of events, and '{next(iter(axes))}' "
            f"is of each {next(iter(axes.values()))}; leave it out"
        )
    from bunchtrain.methods.normalisation_layer import NormalisationLayer
    from bunchtrain.methods.supervised import Network

    return Network(
        NormalisationLayer(normalisation),
        cast("nn.Module", model),
        task.head_sizes(),
        {target: head.aggregate for target, head in task.heads().items()},
        {name: axis for name, axis in axes.items() if axis != "combination"},
        len(representation.names.get("edge_features", ())),
        {name: one.assignment for name, one in used.items() if one.assignment},
        has_momenta="momenta" in representation.sizes,
        embedding=representation.embedding,
    )


def build_normalised_network(
    task: Task, representation: Representation, blocks: Sequence[Batch]
) -> AnyNetwork:
    """Return the network of a task, with inputs and outputs scaled by blocks of training events."""
    inputs = [block.inputs for block in blocks]
    normalisation = Normalisation.fit(inputs, representation, task.invalid)
    network = build_network(task, representation, normalisation)
    if task.owns_loss:
        return network
    heads = task.heads()
    as_given = isinstance(network.model, FitModel) and not network.model.standardises
    units = {
        target: mean_and_std(target, blocks)
        for target in network.heads
        if heads[target].target.values and heads[target].standardises and not as_given
    }
    for first, target, outputs in _slices(network.heads):
        if target in units:
            shift, scale = heads[target].output_scaling(*units[target])
            network.shift[first : first + outputs] = _like(network, shift)
            network.scale[first : first + outputs] = _like(network, scale)
    network.units = {name: (_like(network, m), _like(network, s)) for name, (m, s) in units.items()}
    if not isinstance(network, FittedNetwork) and network.trains_by_gradient:
        from bunchtrain.methods.initial_linear import fit_linear_estimate
        from bunchtrain.methods.initial_scale import scale_initial_weights

        fit_linear_estimate(network, heads, blocks)
        few = EventStore([blocks[0]]).take(np.arange(min(FEW, len(blocks[0]))))
        scale_initial_weights(network, few.tensors().inputs)
    return network


def _like(network: AnyNetwork, array: Array) -> Any:
    """Return an array in the type of the network's tensors or arrays."""
    if isinstance(network, FittedNetwork):
        return array
    import torch

    return torch.from_numpy(array)


def build_losses(task: Task, network: AnyNetwork) -> list[tuple[Loss, float]]:
    """Return the terms of the loss with their weights, for the standardised values of a network."""
    terms = task.losses()
    for loss, _ in terms:
        if isinstance(loss, Head) and loss.target.name in network.units:
            loss.set_units(np.asarray(network.units[loss.target.name][1]))
    return terms


def _slices(heads: dict[str, int]) -> Iterator[tuple[int, str, int]]:
    """Yield the first column, the name and the count of outputs of each head."""
    first = 0
    for name, outputs in heads.items():
        yield first, name, outputs
        first += outputs


def mean_and_std(target: str, blocks: Sequence[Batch]) -> tuple[Array, Array]:
    """Return weighted mean and standard deviation of each value, (value,); 1 for a constant.

    Negative weights count by their magnitude: a variance must not be negative.
    """
    values = np.concatenate([block.targets[target] for block in blocks]).astype(np.float64)
    values = values if values.ndim > 1 else values[:, None]
    weights = [b.weights[b.event_index(b.axes.get(target, "event"))] for b in blocks]
    weight = np.abs(np.concatenate(weights).astype(np.float64))
    share = (weight / weight.sum())[:, None] if weight.sum() > 0 else 1 / max(1, len(values))
    mean = (share * values).sum(0)
    std = np.sqrt((share * np.square(values - mean)).sum(0))
    # Rounding of a constant in the number format of the cache is no width.
    std[std <= 1e-12 * np.abs(mean)] = 1.0
    return mean, std
