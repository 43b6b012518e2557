"""The PyTorch layers that the C++ runtime has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bunchtrain.deployment.cpp.program import Program, Unsupported, Value, numbers
from bunchtrain.networks.layers.pruning import MaskedLinear

Converter = Callable[[Program, Any, Value, bool], Value]


def _linear(program: Program, layer: nn.Linear, value: Value, alone: bool) -> Value:
    return program.dense(value, layer.weight, layer.bias)


def _masked(program: Program, layer: MaskedLinear, value: Value, alone: bool) -> Value:
    return program.dense(value, layer.weight(), layer.bias())


def _identity(program: Program, layer: nn.Module, value: Value, alone: bool) -> Value:
    return value


def _batch_norm(
    program: Program, layer: nn.BatchNorm1d | nn.BatchNorm2d, value: Value, alone: bool
) -> Value:
    if layer.running_mean is None or layer.running_var is None:
        raise Unsupported("normalises by the batch and not by what it has seen in training")
    ones = torch.ones_like(layer.running_mean)
    weight = ones if layer.weight is None else layer.weight
    bias = 0 * ones if layer.bias is None else layer.bias
    scale = weight * (layer.running_var + layer.eps).rsqrt()
    shift = bias - layer.running_mean * scale
    if value.image is not None:
        pixels = value.image[1] * value.image[2]
        scale, shift = scale.repeat(pixels), shift.repeat(pixels)
    return program.affine(value, scale, shift)


def _activation(name: str) -> Converter:
    def convert(program: Program, layer: nn.Module, value: Value, alone: bool) -> Value:
        if getattr(layer, "alpha", 1.0) != 1.0 or getattr(layer, "approximate", "none") != "none":
            raise Unsupported("is not the activation of the standard form")
        slope = getattr(layer, "negative_slope", None)
        return program.activation(value, name, slope, alone)

    return convert


def _softmax(program: Program, layer: nn.Softmax, value: Value, alone: bool) -> Value:
    if value.per_point or layer.dim not in (1, -1):
        raise Unsupported("is a softmax over something else than the outputs of an event")
    return program.layer("softmax", value)


def _zero_pad(program: Program, layer: nn.ZeroPad2d, value: Value, alone: bool) -> Value:
    left, right, top, bottom = layer.padding
    return replace(value, padding=(left, right, top, bottom))


def _convolution(program: Program, layer: nn.Conv2d, value: Value, alone: bool) -> Value:
    if value.image is None:
        raise Unsupported("is a convolution of something that is no image")
    if layer.groups != 1 or set(layer.dilation) != {1} or len(set(layer.stride)) != 1:
        raise Unsupported("is a convolution with groups, dilation or a stride that is not square")
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise Unsupported("is a convolution whose padding is not given as zeros by number")
    left, right, top, bottom = (
        one + two for one, two in zip(value.padding, _around(layer.padding), strict=True)
    )
    height, width = layer.kernel_size
    _, rows, columns = value.image
    step = layer.stride[0]
    to = (
        layer.out_channels,
        (rows + top + bottom - height) // step + 1,
        (columns + left + right - width) // step + 1,
    )
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    made = program.layer(
        "convolution",
        value,
        columns=to[0] * to[1] * to[2],
        shape=list(value.image),
        gives=list(to),
        kernel=[height, width],
        padding=[top, left],
        stride=step,
        weights=numbers(layer.weight.permute(0, 2, 3, 1)),  # filter, row, column, channel
        bias=numbers(bias),
    )
    return replace(made, image=to)


def _around(padding: tuple[int, ...]) -> tuple[int, int, int, int]:
    rows, columns = padding
    return columns, columns, rows, rows


def _max_pool(program: Program, layer: nn.MaxPool2d, value: Value, alone: bool) -> Value:
    size = layer.kernel_size
    if value.image is None or not isinstance(size, int) or layer.stride != size:
        raise Unsupported("is a pooling over something else than squares of an image")
    if layer.padding != 0 or layer.dilation != 1 or layer.ceil_mode:
        raise Unsupported("is a pooling with padding or dilation")
    channels, rows, columns = value.image
    to = (channels, rows // size, columns // size)
    made = program.layer(
        "max_pooling", value, columns=to[0] * to[1] * to[2], shape=list(value.image), size=size
    )
    return replace(made, image=to)


def flatten(program: Program, layer: Any, value: Value, alone: bool) -> Value:
    """Return an image as one row, in the order in which PyTorch lays it out."""
    if value.image is None:
        return value
    return program.layer("reorder", value, shape=list(value.image), back=True)


MODULES: dict[type[nn.Module], Converter] = {
    nn.Linear: _linear,
    MaskedLinear: _masked,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.ReLU: _activation("relu"),
    nn.LeakyReLU: _activation("leaky_relu"),
    nn.ELU: _activation("elu"),
    nn.SELU: _activation("selu"),
    nn.GELU: _activation("gelu"),
    nn.SiLU: _activation("silu"),
    nn.Tanh: _activation("tanh"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Softmax: _softmax,
    nn.ZeroPad2d: _zero_pad,
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _max_pool,
    nn.Flatten: flatten,
}
