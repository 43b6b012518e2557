"""The network of a task: its normalisation, fitted on the training set, and its model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import Normalisation


def empty_network(task: Task, representation: Representation) -> Network:
    """Return the network of a task with fresh weights and a normalisation that changes nothing."""
    normalisation = Normalisation(representation.sizes)
    return _network(task, representation, normalisation)


def _network(task: Task, representation: Representation, normalisation: Normalisation) -> Network:
    pools = {o.target.name: o.pool for o, _ in reversed(task.objectives()) if o.outputs}
    return Network(normalisation, task.build_model(representation), task.heads(), pools)


def fitted_network(task: Task, representation: Representation, blocks: Sequence[Batch]) -> Network:
    """Return the network of a task, its inputs and outputs scaled as blocks of training events."""
    inputs = [block.inputs for block in blocks]
    normalisation = Normalisation.fit(inputs, representation, task.invalid)
    network = _network(task, representation, normalisation)
    if not network.is_fitted:
        _set_units(network, task, blocks)
    return network


def _set_units(network: Network, task: Task, blocks: Sequence[Batch]) -> None:
    fitting = {o.target.name: o for o, _ in reversed(task.objectives()) if o.outputs}
    shifts, scales = [], []
    for target in network.heads:
        moments = _moments([block.targets[target] for block in blocks])
        shift, scale = fitting[target].in_units(*moments)
        shifts.append(shift)
        scales.append(scale)
    network.shift.copy_(torch.cat(shifts))
    network.scale.copy_(torch.cat(scales))


def _moments(targets: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each value (value,); a constant counts as of deviation 1."""
    values = torch.cat(list(targets)).double()
    values = values if values.ndim > 1 else values[:, None]
    deviation = values.std(0, correction=0)
    deviation[deviation == 0] = 1.0
    return values.mean(0).float(), deviation.float()
