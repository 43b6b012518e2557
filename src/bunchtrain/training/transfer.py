"""Weights of a trained model in the network of another training.

What has the same name and shape is taken. Columns of inputs and outputs are matched by the names of
features and of classes or values, and what is new keeps its initial weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.build import AnyNetwork
from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.training.layout import Layout, Resized, input_layouts, output_layouts
from bunchtrain.training.start import (
    Start,
    Transfer,
    event_slots,
    event_targets,
    read_start,
    shape,
    slots,
)
from bunchtrain.training.start_scaling import keep_normalisation, keep_output_scaling

#: Events with which the columns of inputs are found in the weights.
FEW = 8


def start_network(
    network: AnyNetwork, task: Task, made: Representation, blocks: Sequence[Batch]
) -> Transfer:
    """Set the weights of a network that the trained model of a task gives, and its normalisation.

    network  with initial weights and the normalisation of `blocks`, of training events.

    Raises StudyError if the trained model is of another kind or width, RunError if it is missing.
    """
    if isinstance(network, FittedNetwork):
        return _start_fit(network, task, made)
    if not network.trains_by_gradient:
        raise _no_start(task)
    start = read_start(task, on_arrays=False)
    transfer = Transfer(start)
    _check_inputs(network, task, made, start)
    inputs = EventStore([blocks[0]]).take(np.arange(min(FEW, len(blocks[0])))).tensors().inputs
    with torch.random.fork_rng(devices=[]):
        axes = _matched_axes(task, made, inputs, start)
    _copy(network, transfer, axes, _new_readouts(task, start))
    if not transfer.taken and not transfer.part:
        raise StudyError(f"training.from: the {start.name} has no weight that fits; {_SAME}")
    if task.settings.get("normalisation") != "refit":
        keep_normalisation(network, made, start, transfer)
        keep_output_scaling(network, task, start)
    else:
        tensors: Any = network.normalisation.tensors
        transfer.fitted = [name for name in made.sizes if name in tensors]
    return transfer


_SAME = "give it the same options, e.g. widths"


def _no_start(task: Task) -> StudyError:
    name = task.model[0]
    return StudyError(
        f"training.from: '{name}' is fit in one call and cannot start from a trained one; of such "
        "models 'boosted_trees' can"
    )


def _start_fit(network: FittedNetwork, task: Task, made: Representation) -> Transfer:
    """Set the arrays of a model that continues its fit, whose features must be the same."""
    if not network.model.continues_fit:
        raise _no_start(task)
    for key in ("freeze", "layer_decay"):
        if task.settings.get(key):
            raise StudyError(f"training.{key}: '{task.model[0]}' has no layers; remove it")
    if task.settings.get("normalisation") == "refit":
        raise StudyError(
            f"training.normalisation: the cuts of '{task.model[0]}' belong to the normalisation "
            "that they were trained with; use keep"
        )
    start = read_start(task, on_arrays=True)
    if start.about.names != made.names or start.about.slots != slots(task):
        raise StudyError(
            f"training.from: '{task.model[0]}' can continue only with the same features and "
            f"targets in the same order; the {start.name} has "
            f"{', '.join(n for names in start.about.names.values() for n in names)}"
        )
    network.load_state_dict(start.state)
    keep_output_scaling(network, task, start)
    return Transfer(start, taken=sorted(start.state))


def _check_inputs(network: Network, task: Task, made: Representation, start: Start) -> None:
    """Raise StudyError if the trained model has other tensors, or a method other columns."""
    about = start.about
    for name in network.input_names:
        if name not in about.sizes:
            raise StudyError(
                f"training.from: the {start.name} has no input '{name}', only "
                f"{', '.join(about.sizes)}; use its representation"
            )
        same = about.names.get(name) == made.names.get(name)
        if task.owns_loss and not (same and about.sizes[name] == shape(made.sizes[name])):
            raise StudyError(
                f"training.from: a method has the same inputs as the trained one, and '{name}' of "
                f"the {start.name} has the columns {', '.join(about.names.get(name, []))}; use them"
            )


def _matched_axes(
    task: Task, made: Representation, inputs: Mapping[str, Tensor], start: Start
) -> dict[str, tuple[int, list[int | None]] | None]:
    """Return weight → axis and, for each of its positions, that in the trained model or None.

    None instead of both for a weight that cannot be matched column by column. Weights without an
    axis along inputs or outputs that differ are not listed.
    """
    if task.owns_loss:
        return {}
    about = start.about
    sizes = {n: one[0] if len(one) == 1 else tuple(one) for n, one in about.sizes.items()}
    first = Resized(made, {n: sizes[n] for n in made.sizes if n in sizes}, about.names)
    found: dict[str, tuple[int, list[int | None]] | None] = {}
    for name in made.sizes:
        names, others = made.names.get(name, []), about.names.get(name, [])
        if name not in sizes or (names == others and sizes[name] == made.sizes[name]):
            continue
        here, there = (input_layouts(task, one, inputs, name) for one in (made, first))
        for weight, layout in here.items():
            matched = _match(layout, there.get(weight))
            found[weight] = None if weight in found else matched
    ours, theirs = event_slots(slots(task), event_targets(task)), about.event_slots
    if ours != theirs:
        for weight, layout in output_layouts(task, made, ours).items():
            other = Layout(layout.axis, [(one, 0) for one in theirs])
            found[weight] = None if weight in found else _match(layout, other)
    return found


def _match(here: Layout, there: Layout | None) -> tuple[int, list[int | None]] | None:
    if there is None or here.keys is None or there.keys is None or here.axis != there.axis:
        return None
    place = {key: index for index, key in enumerate(there.keys)}
    return here.axis, [place.get(key) for key in here.keys]


def _new_readouts(task: Task, start: Start) -> list[str]:
    """Return the beginnings of the weights of targets of points and edges that differ."""
    ours = slots(task)
    return [f"readouts.{name}." for name in ours if start.about.slots.get(name) != ours[name]]


def _copy(
    network: Network,
    transfer: Transfer,
    axes: Mapping[str, tuple[int, list[int | None]] | None],
    new: Sequence[str],
) -> None:
    """Copy the weights and list what was done with each."""
    state, old = network.state_dict(), transfer.start.state
    for name, value in _weights(state):
        if name not in old or name.startswith(tuple(new)) or (name in axes and axes[name] is None):
            transfer.initialised.append(name)
            continue
        matched = axes.get(name)
        if not _fits(value, old[name], matched):
            raise StudyError(
                f"training.from: '{name}' of the {transfer.start.name} has the shape "
                f"{tuple(old[name].shape)} and here {tuple(value.shape)}; {_SAME}"
            )
        if matched is None:
            value.copy_(old[name])
            transfer.taken.append(name)
            continue
        axis, places = matched
        pairs = [(here, there) for here, there in enumerate(places) if there is not None]
        if not pairs:
            transfer.initialised.append(name)
            continue
        here, there = (torch.tensor(one) for one in zip(*pairs, strict=True))
        value.index_copy_(axis, here, old[name].index_select(axis, there).to(value))
        if len(pairs) == len(places) == old[name].shape[axis]:
            transfer.taken.append(name)
        else:
            lost = old[name].shape[axis] - len(pairs)
            transfer.part[name] = f"{len(places) - len(pairs)} of {len(places)}, {lost} dropped"
    transfer.dropped += [name for name, _ in _weights(old) if name not in state]


def _weights(state: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what is neither normalisation nor the scale of the outputs."""
    for name, value in state.items():
        if not name.startswith("normalisation.") and name not in ("shift", "scale"):
            yield name, value


def _fits(value: Tensor, old: Tensor, matched: tuple[int, list[int | None]] | None) -> bool:
    if value.ndim != old.ndim:
        return False
    free = matched[0] if matched else -1
    pairs = enumerate(zip(value.shape, old.shape, strict=True))
    return all(one == other for axis, (one, other) in pairs if axis != free)
