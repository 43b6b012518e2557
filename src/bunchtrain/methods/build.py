"""Construction of a task's network, with normalisation and output units from the training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.initial_scale import scale_initial_weights
from bunchtrain.methods.method_network import MethodNetwork
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import Normalisation

#: Events from which the scale of the initial outputs is estimated.
FEW = 128


def build_network(
    task: Task, representation: Representation, normalisation: Normalisation | None = None
) -> Network:
    """Return the network of a task with initial weights; its normalisation is the identity.

    Raises StudyError if the parts do not fit together.
    """
    normalisation = normalisation or Normalisation(representation.sizes)
    if task.owns_loss:
        return MethodNetwork(normalisation, task.build_method(representation))
    used = {name: one for name, one in task.targets.items() if name in task.heads()}
    axes = {name: one.output_axis for name, one in used.items() if one.output_axis != "event"}
    if axes and task.posterior is not None:
        raise StudyError(
            f"posterior '{task.posterior[0]}' is for targets of events, and "
            f"'{next(iter(axes))}' is of each {next(iter(axes.values()))}; remove it"
        )
    aggregates = {target: head.aggregate for target, head in task.heads().items()}
    return Network(
        normalisation,
        task.build_model(representation),
        task.head_sizes(),
        aggregates,
        {name: axis for name, axis in axes.items() if axis != "combination"},
        len(representation.names.get("edge_features", ())),
        {name: one.assignment for name, one in used.items() if one.assignment},
        has_momenta="momenta" in representation.sizes,
    )


def build_normalised_network(
    task: Task, representation: Representation, blocks: Sequence[Batch]
) -> Network:
    """Return the network of a task, with inputs and outputs scaled by blocks of training events."""
    inputs = [block.inputs for block in blocks]
    normalisation = Normalisation.fit(inputs, representation, task.invalid)
    network = build_network(task, representation, normalisation)
    if isinstance(network, MethodNetwork):
        return network
    heads = task.heads()
    network.units = {
        target: _mean_and_std(target, blocks)
        for target in network.heads
        if heads[target].target.values
    }
    for first, target, outputs in _slices(network.heads):
        if target in network.units:
            shift, scale = heads[target].output_scaling(*network.units[target])
            network.shift[first : first + outputs] = shift
            network.scale[first : first + outputs] = scale
    if network.trains_by_gradient:
        few = EventStore([blocks[0]]).take(torch.arange(min(FEW, len(blocks[0]))))
        scale_initial_weights(network, few.inputs)
    return network


def build_losses(task: Task, network: Network) -> list[tuple[Loss, float]]:
    """Return the terms of the loss with their weights, for the standardised values of a network."""
    terms = task.losses()
    if isinstance(network, MethodNetwork):
        return terms
    for loss, _ in terms:
        if isinstance(loss, Head) and loss.target.name in network.units:
            loss.set_units(network.units[loss.target.name][1])
    return terms


def _slices(heads: dict[str, int]) -> Iterator[tuple[int, str, int]]:
    """Yield the first column, the name and the count of outputs of each head."""
    first = 0
    for name, outputs in heads.items():
        yield first, name, outputs
        first += outputs


def _mean_and_std(target: str, blocks: Sequence[Batch]) -> tuple[Tensor, Tensor]:
    """Return weighted mean and standard deviation of each value, (value,); 1 for a constant.

    Negative weights count by their magnitude: a variance must not be negative.
    """
    values = torch.cat([block.targets[target] for block in blocks]).double()
    values = values if values.ndim > 1 else values[:, None]
    weights = [
        (b.weight if len(b.weight) else torch.ones(len(b)))[
            b.event_index(b.axes.get(target, "event"))
        ]
        for b in blocks
    ]
    weight = torch.cat(weights).double().abs()
    share = (weight / weight.sum())[:, None] if weight.sum() > 0 else 1 / max(1, len(values))
    mean = (share * values).sum(0)
    std = (share * (values - mean).square()).sum(0).sqrt()
    # Rounding of a constant in the number format of the cache is no width.
    std[std <= 1e-12 * mean.abs()] = 1.0
    return mean, std
