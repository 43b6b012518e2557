"""Conversion of the PyTorch layers that the C++ runtime supports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from bunchtrain.deployment.cpp.program import Program, Unsupported, Value, as_numbers
from bunchtrain.networks.layers.pruning import MaskedLinear

Converter = Callable[[Program, Any, Value, bool], Value]


def _linear(program: Program, layer: nn.Linear, value: Value, fuse: bool) -> Value:
    return program.dense(value, layer.weight, layer.bias)


def _masked_linear(program: Program, layer: MaskedLinear, value: Value, fuse: bool) -> Value:
    return program.dense(value, layer.weight(), layer.bias())


def _identity(program: Program, layer: nn.Module, value: Value, fuse: bool) -> Value:
    return value


def _batch_norm(
    program: Program, layer: nn.BatchNorm1d | nn.BatchNorm2d, value: Value, fuse: bool
) -> Value:
    if layer.running_mean is None or layer.running_var is None:
        raise Unsupported("normalises by the batch, without running statistics of the training")
    ones = torch.ones_like(layer.running_mean)
    weight = ones if layer.weight is None else layer.weight
    bias = 0 * ones if layer.bias is None else layer.bias
    scale = weight * (layer.running_var + layer.eps).rsqrt()
    shift = bias - layer.running_mean * scale
    if value.image is not None:
        pixels = value.image[1] * value.image[2]
        scale, shift = scale.repeat(pixels), shift.repeat(pixels)
    return program.affine(value, scale, shift)


def _layer_norm(program: Program, layer: nn.LayerNorm, value: Value, fuse: bool) -> Value:
    return program.layer_norm(value, layer)


def _activation(name: str) -> Converter:
    def convert(program: Program, layer: nn.Module, value: Value, fuse: bool) -> Value:
        if getattr(layer, "alpha", 1.0) != 1.0 or getattr(layer, "approximate", "none") != "none":
            raise Unsupported("is a variant of the activation")
        slope = getattr(layer, "negative_slope", None)
        return program.activation(value, name, slope, fuse)

    return convert


def _softmax(program: Program, layer: nn.Softmax, value: Value, fuse: bool) -> Value:
    if value.per_point or layer.dim not in (1, -1):
        raise Unsupported("is a softmax of something else than the outputs of an event")
    return program.layer("softmax", value)


def _zero_pad(program: Program, layer: nn.ZeroPad2d, value: Value, fuse: bool) -> Value:
    left, right, top, bottom = layer.padding
    return replace(value, padding=(left, right, top, bottom))


def _convolution(program: Program, layer: nn.Conv2d, value: Value, fuse: bool) -> Value:
    if value.image is None:
        raise Unsupported("is a convolution of something else than an image")
    if layer.groups != 1 or set(layer.dilation) != {1} or len(set(layer.stride)) != 1:
        raise Unsupported("is a convolution with groups, dilation or different strides")
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise Unsupported("is a convolution without a number of zeros as padding")
    left, right, top, bottom = (
        a + b for a, b in zip(value.padding, _padding(layer.padding), strict=True)
    )
    height, width = layer.kernel_size
    _, rows, columns = value.image
    step = layer.stride[0]
    shape = (
        layer.out_channels,
        (rows + top + bottom - height) // step + 1,
        (columns + left + right - width) // step + 1,
    )
    bias = torch.zeros(layer.out_channels) if layer.bias is None else layer.bias
    output = program.layer(
        "convolution",
        value,
        columns=shape[0] * shape[1] * shape[2],
        shape=list(value.image),
        gives=list(shape),
        kernel=[height, width],
        padding=[top, left],
        stride=step,
        weights=as_numbers(layer.weight.permute(0, 2, 3, 1)),  # filter, row, column, channel
        bias=as_numbers(bias),
    )
    return replace(output, image=shape)


def _padding(padding: tuple[int, ...]) -> tuple[int, int, int, int]:
    rows, columns = padding
    return columns, columns, rows, rows


def _max_pool(program: Program, layer: nn.MaxPool2d, value: Value, fuse: bool) -> Value:
    size = layer.kernel_size
    if value.image is None or not isinstance(size, int) or layer.stride != size:
        raise Unsupported("is a pooling of something else than squares of an image")
    if layer.padding != 0 or layer.dilation != 1 or layer.ceil_mode:
        raise Unsupported("is a pooling with padding or dilation")
    channels, rows, columns = value.image
    shape = (channels, rows // size, columns // size)
    count = shape[0] * shape[1] * shape[2]
    output = program.layer("max_pooling", value, columns=count, shape=list(value.image), size=size)
    return replace(output, image=shape)


def flatten(program: Program, layer: Any, value: Value, fuse: bool) -> Value:
    """Return an image as one row, in PyTorch's order (channel, row, column)."""
    if value.image is None:
        return value
    return program.layer("reorder", value, shape=list(value.image), back=True)


MODULES: dict[type[nn.Module], Converter] = {
    nn.Linear: _linear,
    MaskedLinear: _masked_linear,
    nn.Identity: _identity,
    nn.Dropout: _identity,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
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
