"""Where the columns of an input, and the outputs, are in the weights of a network.

Weights of a network of other inputs or outputs can be taken column by column only if it is known
which column of which weight belongs to which feature. It is measured, for any network: weights
whose shape changes with the number of columns of an input have an axis along them, and a position
of this axis belongs to the feature without which its gradient is exactly 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import awkward as ak
import torch
from torch import Tensor

from bunchtrain.batch import Array
from bunchtrain.methods.build import build_network
from bunchtrain.methods.supervised import Network
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation, Size

#: Number of networks and events for which the gradients are computed.
DRAWS = 3
#: What a position of an axis belongs to: name of a column (None for none of them) and how often it
#: has occurred before.
Key = tuple[str | None, int]


@dataclass(frozen=True)
class Layout:
    """Axis of a weight, and what each of its positions belongs to; None where that is not known."""

    axis: int
    keys: list[Key] | None


class Resized(Representation):
    """A representation of which only sizes and names of tensors are used, with other ones."""

    def __init__(
        self, made: Representation, sizes: Mapping[str, Size], names: Mapping[str, list[str]]
    ) -> None:
        self._made, self._sizes, self._names = made, dict(sizes), dict(names)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of the representation."""
        return self._made.columns(available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the given sizes."""
        return self._sizes

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the given names."""
        return self._names

    @property
    def embedding(self) -> tuple[int, int] | None:
        """Return the embedding of the representation."""
        return self._made.embedding

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return the tensors of the representation."""
        return self._made(events)


def axis_of_names(size: Size, names: Collection[str]) -> int | None:
    """Return the axis of a tensor's row that its names are along, the first of this length."""
    lengths = [size] if isinstance(size, int) else list(size)
    return lengths.index(len(names)) if len(names) in lengths else None


def input_layouts(
    task: Task, made: Representation, inputs: Mapping[str, Tensor], tensor: str
) -> dict[str, Layout]:
    """Return weight → layout along the columns of one input, of the weights that have one.

    inputs  some events, as `Batch.inputs`; the input, and others of another size, are replaced by
            noise.
    """
    size, names = made.sizes[tensor], made.names[tensor]
    axis = axis_of_names(size, names)
    if axis is None:
        return {}
    lengths = [size] if isinstance(size, int) else list(size)
    lengths[axis] += 1
    larger: Size = lengths[0] if isinstance(size, int) else tuple(lengths)
    more = Resized(made, made.sizes | {tensor: larger}, made.names | {tensor: [*names, ""]})
    axes = _changed(_build(task, made), _build(task, more))
    # Of several networks and events, as a unit may be inactive in one.
    draws = [(_build(task, made), _noise(made, inputs, tensor)) for _ in range(DRAWS)]
    owners = _owners(draws, axes, tensor, (axis, names))
    return {
        name: Layout(axis, _numbered(owners[name]) if owners[name] else None)
        for name, axis in axes.items()
    }


def output_layouts(task: Task, made: Representation, slots: Collection[str]) -> dict[str, Layout]:
    """Return weight → layout along the outputs of events, of the weights that have one.

    slots  names of the outputs of the model.
    """
    network = _build(task, made)
    state = network.state_dict()
    axes = _changed(network, _build(task, made, spare=1))
    keys: list[Key] = [(name, 0) for name in slots]
    return {
        name: Layout(axis, keys if state[name].shape[axis] == len(keys) else None)
        for name, axis in axes.items()
    }


def _build(task: Task, made: Representation, spare: int = 0) -> Network:
    network = build_network(task, made, spare=spare)
    assert isinstance(network, Network)
    return network


def _changed(network: Network, other: Network) -> dict[str, int]:
    """Return weight → the one axis in which two networks differ; −1 for more than one."""
    state, others = network.state_dict(), other.state_dict()
    found = {}
    for name, value in state.items():
        if name.startswith("normalisation.") or name not in others:
            continue
        pairs = zip(value.shape, others[name].shape, strict=True)
        axes = [axis for axis, (one, more) in enumerate(pairs) if one != more]
        if axes:
            found[name] = axes[0] if len(axes) == 1 else -1
    return found


def _noise(made: Representation, inputs: Mapping[str, Tensor], tensor: str) -> dict[str, Tensor]:
    """Return inputs of which one, and those of another size, are random numbers."""
    found = dict(inputs)
    for name, given in inputs.items():
        size = made.sizes.get(name, ())
        row = (size,) if isinstance(size, int) else tuple(size)
        if given.is_floating_point() and (name == tensor or given.shape[1:] != row):
            found[name] = torch.randn(len(given), *row)
    return found


def _owners(
    draws: Sequence[tuple[Network, dict[str, Tensor]]],
    axes: Mapping[str, int],
    tensor: str,
    columns: tuple[int, list[str]],
) -> dict[str, list[str | None]]:
    """Return weight → the column of each position of its axis, None for none of them.

    It is empty where it is not unique.
    """
    along, names = columns
    network = draws[0][0]
    reached = _reached(draws, axes)
    owners: dict[str, list[set[str]]] = {
        name: [set() for _ in range(len(used))] for name, used in reached.items()
    }
    for index, column in enumerate(names):
        without = []
        for one, inputs in draws:
            zero = inputs[tensor].clone()
            zero.select(along + 1, index).zero_()
            without.append((one, inputs | {tensor: zero}))
        for name, used in _reached(without, axes).items():
            for position in (reached[name] & ~used).nonzero()[:, 0].tolist():
                owners[name][position].add(column)
    found: dict[str, list[str | None]] = {}
    for name, positions in owners.items():
        if max(map(len, positions)) == 1:
            of = [next(iter(one), None) for one in positions]
            if len({of.count(column) for column in names}) == 1 and names[0] in of:
                found[name] = of
    lengths = {
        name: network.state_dict()[name].shape[axis] if axis >= 0 else 0
        for name, axis in axes.items()
    }
    return {name: _owners_of(name, found, lengths, names) for name in axes}


def _owners_of(
    name: str,
    found: Mapping[str, list[str | None]],
    lengths: Mapping[str, int],
    names: list[str],
) -> list[str | None]:
    """Return the columns of the positions of a weight; empty if they are not known.

    Of biases, moments and masks they are those of the weight of this length in the same module.
    """
    if name in found:
        return found[name]
    module = name.rsplit(".", 2)[0]
    for other, of in found.items():
        if len(of) == lengths[name] and other.startswith(f"{module}."):
            return of
    return list(names) if lengths[name] == len(names) else []


def _reached(
    draws: Sequence[tuple[Network, dict[str, Tensor]]], axes: Mapping[str, int]
) -> dict[str, Tensor]:
    """Return weight → whether any gradient at each position of its axis is not 0, (position,)."""
    found: dict[str, Tensor] = {}
    random = torch.Generator().manual_seed(1)
    for network, inputs in draws:
        chosen = {n: p for n, p in network.named_parameters() if axes.get(n, -1) >= 0}
        values = [v for member in network.train().members(inputs) for v in member.values()]
        terms = [(v * torch.randn(v.shape, generator=random)).sum() for v in values]
        total, given = torch.stack(terms).sum(), list(chosen.values())
        gradients = torch.autograd.grad(total, given, allow_unused=True) if given else ()
        for name, gradient in zip(chosen, gradients, strict=True):
            axis = axes[name]
            used = torch.zeros(chosen[name].shape[axis], dtype=torch.bool)
            if gradient is not None:
                used = (gradient.movedim(axis, 0) != 0).reshape(len(used), -1).any(1)
            found[name] = found[name] | used if name in found else used
    return found


def _numbered(owners: list[str | None]) -> list[Key]:
    """Return the keys of positions: the column and how often it has occurred before."""
    count: Counter[str | None] = Counter()
    found = []
    for column in owners:
        found.append((column, count[column]))
        count[column] += 1
    return found
