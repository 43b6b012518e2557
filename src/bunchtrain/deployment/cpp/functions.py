"""Conversion of the functions between layers that the C++ runtime supports."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.nn import functional

from bunchtrain.deployment.cpp.modules import flatten
from bunchtrain.deployment.cpp.program import Program, Unsupported, Value
from bunchtrain.networks.energy_flow_network import momentum_fractions
from bunchtrain.networks.layers.packing import segment_max, segment_mean, segment_sum


def _pool(kind: str) -> Callable[..., Value]:
    def convert(program: Program, value: Value, lengths: object = None) -> Value:
        if not value.per_point:
            raise Unsupported("pools a tensor that is not per point")
        return program.layer(kind, value, per_point=False)

    return convert


def _fractions(program: Program, momenta: Value, lengths: object = None) -> Value:
    return program.layer("fractions", momenta, columns=1)


def _combine(kind: str) -> Callable[..., Value]:
    def convert(program: Program, a: Value, b: Value) -> Value:
        if not (isinstance(a, Value) and isinstance(b, Value)):
            raise Unsupported("combines a tensor with a number")
        if a.columns < b.columns:
            a, b = b, a
        if a.per_point != b.per_point or b.columns not in (1, a.columns):
            raise Unsupported("combines tensors of different shapes")
        return program.layer(kind, a, b)

    return convert


def _item(program: Program, value: Value, index: object) -> Value:
    """Return x[:, None] of rows with one element, which is x."""
    if index == (slice(None), None) and value.columns == 1:
        return value
    raise Unsupported("selects elements of a tensor")


def _join(program: Program, values: Sequence[Value], dim: int = 0) -> Value:
    if dim not in (1, -1) or len({value.per_point for value in values}) != 1:
        raise Unsupported("concatenates something else than columns")
    joined = values[0]
    for other in values[1:]:
        joined = program.join(joined, other)
    return joined


def _activation(name: str) -> Callable[..., Value]:
    def convert(program: Program, value: Value, **_: object) -> Value:
        return program.activation(value, name, None, False)

    return convert


def _flatten(program: Program, value: Value, first: int = 0, last: int = -1) -> Value:
    if first != 1 or last != -1:
        raise Unsupported("flattens the axis of the events")
    return flatten(program, None, value, False)


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    segment_sum: _pool("sum"),
    segment_mean: _pool("mean"),
    segment_max: _pool("max"),
    momentum_fractions: _fractions,
    operator.mul: _combine("product"),
    operator.add: _combine("add"),
    torch.mul: _combine("product"),
    torch.add: _combine("add"),
    operator.getitem: _item,
    torch.cat: _join,
    torch.relu: _activation("relu"),
    torch.tanh: _activation("tanh"),
    torch.sigmoid: _activation("sigmoid"),
    functional.relu: _activation("relu"),
    functional.gelu: _activation("gelu"),
    functional.silu: _activation("silu"),
    torch.flatten: _flatten,
}
METHODS: dict[str, Callable[..., Any]] = {
    "relu": _activation("relu"),
    "tanh": _activation("tanh"),
    "sigmoid": _activation("sigmoid"),
    "flatten": _flatten,
}
#: Traced as one function, not as their operations.
LEAVES = (segment_sum, segment_mean, segment_max, momentum_fractions)
