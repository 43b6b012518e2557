"""A dense network as the plain PyTorch layers that hls4ml reads, with the precision of each."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.networks.layers.quantised.arithmetic import Integers
from bunchtrain.networks.quantised.quantised_dense_network import QuantisedDenseNetwork

#: Layers of a dense network that hls4ml supports.
SUPPORTED = (nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Tanh, nn.Dropout)


@dataclass(frozen=True)
class PlainLayers:
    """Layers by name, and their precision where the network determines it.

    network    the layers in sequence.
    precision  layer → quantity → fixed-point type, e.g. "fixed<8,3,RND,WRAP>".
    """

    network: nn.Sequential
    precision: dict[str, dict[str, str]]


def unsupported_reason(model: object) -> str | None:
    """Return why hls4ml does not support the model, naming the layer, or None."""
    if isinstance(model, QuantisedDenseNetwork):
        return None
    if not isinstance(model, DenseNetwork):
        return "only 'dense_network' and 'quantised_dense_network' can be exported through hls4ml"
    for name, layer in model.layers.named_children():
        if not isinstance(layer, SUPPORTED):
            return f"layer 'layers.{name}' is {type(layer).__name__}, which is not supported"
    return None


def plain_layers(model: object) -> PlainLayers:
    """Return the layers of a supported model."""
    if isinstance(model, QuantisedDenseNetwork):
        return _quantised_layers(model)
    assert isinstance(model, DenseNetwork)
    layers = [layer for layer in model.layers if not isinstance(layer, nn.Dropout)]
    counts: dict[str, int] = {}
    named = []
    for layer in layers:
        kind = "dense" if isinstance(layer, nn.Linear) else type(layer).__name__.lower()
        counts[kind] = counts.get(kind, 0) + 1
        named.append((f"{kind}_{counts[kind]}", layer))
    return PlainLayers(nn.Sequential(OrderedDict(named)).eval(), {})


def _quantised_layers(model: QuantisedDenseNetwork) -> PlainLayers:
    """Return the layers with their quantised constants; a type covers all formats of its layer."""
    named: list[tuple[str, nn.Module]] = []
    precision = {"input_1": {"result": fixed(*model.input.kif)}}
    for index, layer in enumerate(model.layers.layers(), 1):
        weight, bias = layer.constants()
        named.append((f"dense_{index}", _linear(weight, bias)))
        types = {"weight": fixed(*format_of(weight)), "bias": fixed(*format_of(bias))}
        precision[f"dense_{index}"] = types
        if layer.output is not None:
            named.append((f"relu_{index}", nn.ReLU()))
            overflow = layer.output.overflow
            result = fixed(*layer.output.kif, rounding=f"RND,{overflow}")
            precision[f"relu_{index}"] = {"result": result}
    return PlainLayers(nn.Sequential(OrderedDict(named)).eval(), precision)


def _linear(weight: NDArray[np.float64], bias: NDArray[np.float64]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    arrays = {"weight": weight, "bias": bias}
    layer.load_state_dict({k: torch.from_numpy(v.astype(np.float32)) for k, v in arrays.items()})
    return layer


def format_of(constants: NDArray[np.float64]) -> tuple[Integers, Integers, Integers]:
    """Return the smallest (k, i, f) that represents all of the constants exactly."""
    fraction = 0
    while not (constants * 2.0**fraction == np.round(constants * 2.0**fraction)).all():
        fraction += 1
    largest = max(constants.max(), -constants.min() - 2.0**-fraction, 2.0**-fraction)
    integer = int(np.floor(np.log2(largest))) + 1
    return np.array([1]), np.array([integer]), np.array([fraction])


def fixed(k: Integers, i: Integers, f: Integers, rounding: str = "TRN,WRAP") -> str:
    """Return the fixed-point type that represents all values of these formats."""
    used = k + i + f > 0
    if not used.any():
        return f"ufixed<1,1,{rounding}>"
    sign, integer, fraction = (int(bits[used].max()) for bits in (k, i, f))
    kind = "fixed" if sign else "ufixed"
    return f"{kind}<{max(sign + integer + fraction, 1)},{sign + integer},{rounding}>"
