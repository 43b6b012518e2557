"""Parameters that are not trained, at first or at all, and learning rates by depth."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn

from bunchtrain.errors import StudyError, nearest
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.training.layout import output_layouts
from bunchtrain.training.start import Transfer, event_slots, event_targets, slots

#: Names that stand for many parameters.
BACKBONE, HEADS = "backbone", "heads"


def frozen_parameters(network: Network, task: Task, made: Representation) -> list[str]:
    """Return the names of the parameters that `training.freeze` selects.

    `heads` are the weights whose shape depends on the number of outputs and the readouts of points,
    `backbone` all others. A pattern is a name with `*` and `?`, or the beginning of one; that of
    the model may be left out, `blocks.0` is `model.blocks.0.*`.

    Raises StudyError, naming the nearest, if a pattern selects nothing.
    """
    names = [name for name, one in network.named_parameters() if one.requires_grad]
    frozen: set[str] = set()
    for pattern in task.settings.get("freeze") or ():
        if pattern in (BACKBONE, HEADS):
            heads = _heads(network, task, made)
            if task.owns_loss:
                raise StudyError(
                    f"training.freeze: method '{task.model[0]}' has no heads; give patterns of "
                    f"parameters, e.g. '{names[0].rpartition('.')[0]}'"
                )
            chosen = {name for name in names if (name in heads) == (pattern == HEADS)}
        else:
            chosen = {name for name in names if _matches(name, pattern)}
        if not chosen:
            known = {part for name in names for part in _prefixes(name)} | {BACKBONE, HEADS}
            hint = nearest(pattern, sorted(known)) or f"; the first is '{names[0]}'"
            raise StudyError(f"training.freeze: no parameter is named '{pattern}'{hint}")
        frozen |= chosen
    return [name for name in names if name in frozen]


def check_frozen(network: Network, frozen: Collection[str], task: Task, transfer: Transfer) -> None:
    """Record the count of frozen parameters; raise StudyError if new ones are never trained."""
    new = [name for name in frozen if name in transfer.initialised or name in transfer.part]
    transfer.frozen_epochs = task.settings.get("unfreeze_after")
    if new and transfer.frozen_epochs is None:
        what = transfer.part.get(new[0], "all of it")
        raise StudyError(
            f"training.freeze: '{new[0]}' is frozen and not in the {transfer.start.name} (new: "
            f"{what}), so that it would stay random; leave it out, or set 'unfreeze_after'"
        )
    parameters = dict(network.named_parameters())
    transfer.parameters = network.trained_parameters
    transfer.frozen = sum(parameters[name].numel() for name in frozen)


def _heads(network: Network, task: Task, made: Representation) -> set[str]:
    found = {name for name, _ in network.named_parameters() if name.startswith("readouts.")}
    targets = [] if task.owns_loss else event_targets(task)
    if targets:
        with torch.random.fork_rng(devices=[]):
            found |= set(output_layouts(task, made, event_slots(slots(task), targets)))
    return found


def _matches(name: str, pattern: str) -> bool:
    given = (pattern, f"model.{pattern}")
    return any(fnmatchcase(name, one) or name.startswith(f"{one}.") for one in given)


def _prefixes(name: str) -> list[str]:
    """Return the names of which a pattern may consist: `blocks.0.weight`, `blocks.0`, `blocks`."""
    words = name.removeprefix("model.").split(".")
    return [".".join(words[:count]) for count in range(1, len(words) + 1)]


def set_trained(network: nn.Module, names: Iterable[str], trained: bool) -> None:
    """Set whether parameters require a gradient."""
    parameters = dict(network.named_parameters())
    for name in names:
        parameters[name].requires_grad_(trained)


def evaluate_frozen(network: nn.Module, frozen: Collection[str]) -> None:
    """Set modules all of whose parameters are frozen to evaluation.

    Their batch normalisation keeps its moments, and they have no dropout.
    """
    for place, module in network.named_modules():
        own = [f"{place}.{name}" if place else name for name, _ in module.named_parameters()]
        if own and frozen and all(name in frozen for name in own):
            module.eval()


def layer_factors(network: nn.Module, decay: float) -> dict[str, float]:
    """Return parameter → factor on the learning rate, decay^(layers above it).

    Layers are the members of lists and sequences, else the modules directly in the model, in the
    order of the network; those without a matrix, such as normalisations, belong to the one before.
    Readouts of points and edges are side by side above the model, vectors of words below it.
    """
    order = {"embedding": 0, "model": 1, "readouts": 2}
    parameters = dict(network.named_parameters())
    names = sorted(parameters, key=lambda name: order.get(name.partition(".")[0], 3))
    with_matrix = {_layer(name) for name in names if parameters[name].ndim > 1}
    depths, depth, last = dict[str, int](), 0, ""
    for name in names:
        layer = _layer(name)
        if layer != last and layer in with_matrix and last:
            depth += 1
        last = layer if layer in with_matrix or not last else last
        depths[name] = depth
    return {name: decay ** (depth - one) for name, one in depths.items()}


def _layer(name: str) -> str:
    if name.startswith("readouts."):
        return "readouts"
    found = re.match(r".*?\.\d+(?=\.)", name)
    return found[0] if found else ".".join(name.split(".")[:2])
