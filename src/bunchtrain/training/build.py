"""The network of a task: its normalisation, fitted on the training set, and its model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from bunchtrain.network import Network
from bunchtrain.represent._representation import Representation
from bunchtrain.represent.preprocessing.normalisation import Normalisation
from bunchtrain.training.task import Task


def empty_network(task: Task, representation: Representation) -> Network:
    """Return the network of a task with fresh weights and a normalisation that changes nothing."""
    normalisation = Normalisation(representation.sizes)
    return Network(normalisation, task.build_model(representation), task.heads())


def fitted_network(
    task: Task, representation: Representation, blocks: Iterable[Mapping[str, Tensor]]
) -> Network:
    """Return the network of a task with its normalisation fitted on blocks of training inputs."""
    normalisation = Normalisation.fit(blocks, representation, task.invalid)
    return Network(normalisation, task.build_model(representation), task.heads())
