"""Normalisation of inputs and scale of outputs of a trained model, kept in another training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.methods.build import AnyNetwork
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.initial_linear import value_outputs
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import PARTS
from bunchtrain.training.layout import axis_of_names
from bunchtrain.training.start import Start, Transfer, shape, slots

if TYPE_CHECKING:
    from bunchtrain.methods.supervised import Network

#: Ratio of widths, or difference of means in units of a width, above which units may differ.
FAR = 10.0


def keep_normalisation(
    network: Network, made: Representation, start: Start, transfer: Transfer
) -> None:
    """Set the normalisation of columns that the trained model has; list the others.

    Columns whose moments differ by more than a factor of `FAR` give a warning with both.

    Raises StudyError if a tensor without names of columns has another shape.
    """
    tensors: Any = network.normalisation.tensors
    for tensor in tensors:
        size, names = made.sizes[tensor], made.names.get(tensor, [])
        others = start.about.names.get(tensor, [])
        known = start.state
        state: dict[str, Any] = {p: known.get(f"normalisation.{tensor}_{p}") for p in PARTS}
        if state["shift"] is None:
            transfer.fitted.append(tensor)
            continue
        _warn(network, tensor, names, others, state, transfer)
        if names == others and list(state["shift"].shape) == shape(size):
            for part, value in state.items():
                network.normalisation.get_buffer(f"{tensor}_{part}").copy_(value)
            continue
        axis = axis_of_names(size, names)
        own = network.normalisation.get_buffer(f"{tensor}_shift")
        if axis is None or _without(own.shape, axis) != _without(state["shift"].shape, axis):
            raise StudyError(
                f"training.from: the input '{tensor}' of the {start.name} has the shape "
                f"{tuple(state['shift'].shape)} and here {tuple(own.shape)}; use the same"
            )
        for here, name in enumerate(names):
            if name not in others:
                transfer.fitted.append(name)
                continue
            for part, value in state.items():
                buffer = network.normalisation.get_buffer(f"{tensor}_{part}")
                buffer.select(axis, here).copy_(value.select(axis, others.index(name)))


def _without(size: Any, axis: int) -> list[int]:
    return [length for index, length in enumerate(size) if index != axis]


def _warn(
    network: Network,
    tensor: str,
    names: list[str],
    others: list[str],
    state: dict[str, Any],
    transfer: Transfer,
) -> None:
    shift, scale = (
        network.normalisation.get_buffer(f"{tensor}_{part}") for part in ("shift", "scale")
    )
    if shift.ndim != 1 or state["shift"].ndim != 1:
        return
    for here, name in enumerate(names):
        if name in others and len(others) == len(state["shift"]):
            there = others.index(name)
            new = float(shift[here]), float(scale[here])
            old = float(state["shift"][there]), float(state["scale"][there])
            ratio = new[1] / old[1] if old[1] else np.inf
            if abs(new[0] - old[0]) > FAR * old[1] or not 1 / FAR < ratio < FAR:
                transfer.warnings.append(
                    f"'{name}' is {new[0]:.3g} ± {new[1]:.3g} here and was {old[0]:.3g} ± "
                    f"{old[1]:.3g} in the training that this one starts from; are its units the "
                    "same?"
                )


def keep_output_scaling(network: AnyNetwork, task: Task, start: Start) -> None:
    """Set mean and width of the values that the trained model has, so that its outputs are kept."""
    if task.owns_loss:
        return
    ours, heads = slots(task), task.heads()
    old = {name: (first, first + len(of)) for first, name, of in _ranges(start.about.slots)}
    for first, target, of in _ranges(ours):
        theirs = start.about.slots.get(target, [])
        if target not in network.units or not set(of) & set(theirs):
            continue
        mean, std = (np.asarray(one).astype(np.float64) for one in network.units[target])
        places = value_outputs(heads[target], len(mean))
        a, b = old[target]
        shift, scale = (np.asarray(start.state[name])[a:b] for name in ("shift", "scale"))
        for value, place in enumerate(places):
            if of[place] in theirs:
                mean[value], std[value] = (x[theirs.index(of[place])] for x in (shift, scale))
        network.units[target] = (_like(network, mean), _like(network, std))
        scaling = heads[target].output_scaling(mean, std)
        for array, values in zip((network.shift, network.scale), scaling, strict=True):
            array[first : first + len(of)] = _like(network, values)


def _ranges(of: dict[str, list[str]]) -> Iterator[tuple[int, str, list[str]]]:
    first = 0
    for name, names in of.items():
        yield first, name, names
        first += len(names)


def _like(network: AnyNetwork, array: Array) -> Any:
    if isinstance(network, FittedNetwork):
        return array
    import torch

    return torch.from_numpy(array)
