"""Construction of a task's network, with normalisation and output units from the training set."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import Normalisation


def build_network(
    task: Task, representation: Representation, normalisation: Normalisation | None = None
) -> Network:
    """Return the network of a task with initial weights; its normalisation is the identity."""
    aggregates = {target: head.aggregate for target, head in task.heads().items()}
    return Network(
        normalisation or Normalisation(representation.sizes),
        task.build_model(representation),
        task.head_sizes(),
        aggregates,
    )


def build_normalised_network(
    task: Task, representation: Representation, blocks: Sequence[Batch]
) -> Network:
    """Return the network of a task, with inputs and outputs scaled by blocks of training events."""
    inputs = [block.inputs for block in blocks]
    normalisation = Normalisation.fit(inputs, representation, task.invalid)
    network = build_network(task, representation, normalisation)
    if network.trains_by_gradient:
        heads = task.heads()
        scaling = [
            heads[target].output_scaling(*_mean_and_std([b.targets[target] for b in blocks]))
            for target in network.heads
        ]
        network.shift.copy_(torch.cat([shift for shift, _ in scaling]))
        network.scale.copy_(torch.cat([scale for _, scale in scaling]))
    return network


def _mean_and_std(targets: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each value, (value,); 1 for that of a constant."""
    values = torch.cat(list(targets)).double()
    values = values if values.ndim > 1 else values[:, None]
    std = values.std(0, correction=0)
    std[std == 0] = 1.0
    return values.mean(0).float(), std.float()
