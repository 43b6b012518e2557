"""The program of the C++ runtime: named tensors, and layers that read and write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

#: Version of the format, which docs/how_to/export.md describes.
VERSION = 1


class Unsupported(Exception):
    """A layer that the C++ runtime does not support; the message has its name."""


@dataclass(frozen=True)
class Value:
    """A tensor of the program.

    name       of the tensor.
    per_point  whether it has a row for each point, or one for the event.
    columns    length of a row.
    image      (channels, rows, columns) if a row is an image, stored channel last.
    padding    zero padding that the next layer applies: left, right, top, bottom.
    """

    name: str
    per_point: bool
    columns: int
    image: tuple[int, int, int] | None = None
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Program:
    """Inputs, layers and outputs in the order of their computation."""

    about: dict[str, str] = field(default_factory=dict)
    tensors: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def tensor(self, name: str, per_point: bool, columns: int, *, per_pair: bool = False) -> Value:
        """Return a new tensor of this name."""
        content = {"name": name, "per_point": per_point, "columns": columns}
        self.tensors.append(content | ({"per_pair": True} if per_pair else {}))
        return Value(name, per_point, columns)

    def input(self, name: str, per_point: bool, variables: Sequence[Mapping[str, Any]]) -> Value:
        """Return an input; each variable has `name`, `offset` and `scale`: (x + offset) / scale."""
        content = {"name": name, "per_point": per_point, "variables": list(variables)}
        self.inputs.append(content)
        return self.tensor(name, per_point, len(variables))

    def layer(
        self,
        kind: str,
        *inputs: Value,
        columns: int | None = None,
        per_point: bool | None = None,
        per_pair: bool = False,
        **content: Any,
    ) -> Value:
        """Add a layer and return its output, of the shape of its first input if unset.

        With `per_pair` the output has `columns` numbers for each pair of points.
        """
        first = inputs[0]
        output = self.tensor(
            f"t{len(self.tensors)}",
            first.per_point if per_point is None else per_point,
            first.columns if columns is None else columns,
            per_pair=per_pair,
        )
        names = [value.name for value in inputs]
        self.layers.append({"type": kind, "in": names, "out": output.name, **content})
        return output

    def dense(self, value: Value, weights: Tensor, bias: Tensor | None) -> Value:
        """Add y = W x + b, with `weights` (outputs, inputs)."""
        outputs, inputs = weights.shape
        shift = torch.zeros(outputs) if bias is None else bias
        return self.layer(
            "dense",
            value,
            columns=outputs,
            inputs=inputs,
            weights=as_numbers(weights),
            bias=as_numbers(shift),
        )

    def constant(self, values: Tensor) -> Value:
        """Add a row that is the same for every event, (columns,)."""
        output = self.tensor(f"t{len(self.tensors)}", False, len(values))
        content = {"out": output.name, "values": as_numbers(values)}
        self.layers.append({"type": "constant", "in": [], **content})
        return output

    def layer_norm(self, value: Value, layer: nn.LayerNorm) -> Value:
        """Add the normalisation of each row to mean 0 and variance 1, then scale and shift."""
        if layer.normalized_shape != (value.columns,) or value.image is not None:
            raise Unsupported("normalises something else than rows")
        ones = torch.ones(value.columns)
        scale = ones if layer.weight is None else layer.weight
        shift = torch.zeros_like(ones) if layer.bias is None else layer.bias
        return self.layer(
            "layer_norm",
            value,
            scale=as_numbers(scale),
            shift=as_numbers(shift),
            epsilon=layer.eps,
        )

    def join(self, one: Value, other: Value) -> Value:
        """Add the concatenation of the columns of two tensors."""
        return self.layer("join", one, other, columns=one.columns + other.columns)

    def affine(self, value: Value, scale: Tensor, shift: Tensor) -> Value:
        """Add y = x · scale + shift, column by column; an image keeps its shape."""
        output = self.layer("affine", value, scale=as_numbers(scale), shift=as_numbers(shift))
        return replace(output, image=value.image)

    def activation(self, value: Value, name: str, slope: float | None, fuse: bool) -> Value:
        """Apply an activation; with `fuse` as part of the layer before, if that is possible."""
        content = {"activation": name} | ({} if slope is None else {"slope": slope})
        last = self.layers[-1] if self.layers else {"out": "", "type": ""}
        fits = last["type"] in ("dense", "affine") and "activation" not in last
        if fuse and fits and last["out"] == value.name:
            last |= content
            return value
        ones = torch.ones(value.columns)
        output = self.affine(value, ones, torch.zeros_like(ones))
        self.layers[-1] |= content
        return output

    def json(self) -> dict[str, Any]:
        """Return the content of `network.json`."""
        return {
            "format": "bunchtrain-network",
            "version": VERSION,
            "about": self.about,
            "inputs": self.inputs,
            "tensors": self.tensors,
            "layers": self.layers,
            "outputs": self.outputs,
        }


def as_numbers(values: Tensor) -> list[float | str]:
    """Return float32 values for JSON, row by row, without loss of precision."""
    flat = values.detach().cpu().float().flatten().numpy()
    return [as_number(x) for x in flat]


def as_number(value: np.float32 | float) -> float | str:
    """Return the shortest decimal number of a float32, or "nan", "inf", "-inf"."""
    if not np.isfinite(value):
        return str(float(value))
    return float(f"{value:.9g}")
