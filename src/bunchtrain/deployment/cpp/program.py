"""A network as the C++ runtime reads it: named tensors, and layers that read and write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

#: Version of the format; docs/how_to/export.md says what it holds.
VERSION = 1


class Unsupported(Exception):
    """A layer that the C++ runtime does not have; the text names it and what it is in."""


@dataclass(frozen=True)
class Value:
    """A tensor of the program.

    name       by which layers read it.
    per_point  whether it has a row for each point, or one for the event.
    columns    numbers of a row.
    image      (channels, rows, columns) if a row is an image, kept channel last.
    padding    zeros that are still to be put around the image: left, right, top, bottom.
    """

    name: str
    per_point: bool
    columns: int
    image: tuple[int, int, int] | None = None
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


@dataclass
class Program:
    """Inputs, layers and outputs, in the order in which they are computed."""

    about: dict[str, str] = field(default_factory=dict)
    tensors: list[dict[str, Any]] = field(default_factory=list)
    inputs: list[dict[str, Any]] = field(default_factory=list)
    layers: list[dict[str, Any]] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)

    def tensor(self, name: str, per_point: bool, columns: int) -> Value:
        """Return a new tensor of this name."""
        self.tensors.append({"name": name, "per_point": per_point, "columns": columns})
        return Value(name, per_point, columns)

    def input(self, name: str, per_point: bool, variables: Sequence[Mapping[str, Any]]) -> Value:
        """Return an input; each variable has `name`, `offset` and `scale`: (x + offset) / scale."""
        content = {"name": name, "per_point": per_point, "variables": list(variables)}
        self.inputs.append(content)
        return self.tensor(name, per_point, len(variables))

    def layer(
        self,
        kind: str,
        *given: Value,
        columns: int | None = None,
        per_point: bool | None = None,
        **content: Any,
    ) -> Value:
        """Add a layer and return what it gives: as many columns and rows as its input if unset."""
        first = given[0]
        made = self.tensor(
            f"t{len(self.tensors)}",
            first.per_point if per_point is None else per_point,
            first.columns if columns is None else columns,
        )
        names = [value.name for value in given]
        self.layers.append({"type": kind, "in": names, "out": made.name, **content})
        return made

    def dense(self, value: Value, weights: Tensor, bias: Tensor | None) -> Value:
        """Add y = W x + b, with `weights` (outputs, inputs)."""
        outputs, inputs = weights.shape
        shift = torch.zeros(outputs) if bias is None else bias
        return self.layer(
            "dense",
            value,
            columns=outputs,
            inputs=inputs,
            weights=numbers(weights),
            bias=numbers(shift),
        )

    def affine(self, value: Value, scale: Tensor, shift: Tensor) -> Value:
        """Add y = x · scale + shift, column by column; an image keeps its shape."""
        made = self.layer("affine", value, scale=numbers(scale), shift=numbers(shift))
        return replace(made, image=value.image)

    def activation(self, value: Value, name: str, slope: float | None, alone: bool) -> Value:
        """Apply an activation, within the layer before if it is `alone` in reading it."""
        content = {"activation": name} | ({} if slope is None else {"slope": slope})
        last = self.layers[-1] if self.layers else {"out": "", "type": ""}
        fits = last["type"] in ("dense", "affine") and "activation" not in last
        if alone and fits and last["out"] == value.name:
            last |= content
            return value
        ones = torch.ones(value.columns)
        made = self.affine(value, ones, torch.zeros_like(ones))
        self.layers[-1] |= content
        return made

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


def numbers(values: Tensor) -> list[float | str]:
    """Return float32 numbers, row by row, so that they are read back exactly."""
    flat = values.detach().cpu().float().flatten().numpy()
    return [number(x) for x in flat]


def number(value: np.float32 | float) -> float | str:
    """Return the shortest number that is this float32, or "nan", "inf", "-inf"."""
    if not np.isfinite(value):
        return str(float(value))
    return float(f"{value:.9g}")
