"""Normalisation of the inputs as the first layer of a network."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bunchtrain.representations.preprocessing.normalisation import PARTS, Normalisation


class NormalisationLayer(nn.Module):
    """Map inputs to (x − shift) / scale, with replacements for NaN, +∞ and −∞.

    normalisation  whose arrays become buffers of the same names; `load_state_dict` restores them.
    """

    def __init__(self, normalisation: Normalisation) -> None:
        super().__init__()
        self.tensors = list(normalisation.inputs)
        for name, array in normalisation.arrays.items():
            self.register_buffer(name, torch.tensor(array))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inputs, normalised; those of integers are passed through unchanged."""
        return {
            name: self._one(name, x) if name in self.tensors else x for name, x in inputs.items()
        }

    def inverse(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return normalised tensors in the units of the inputs, x · scale + shift."""
        return {
            name: x * self.get_buffer(f"{name}_scale") + self.get_buffer(f"{name}_shift")
            if name in self.tensors
            else x
            for name, x in inputs.items()
        }

    def _one(self, name: str, x: Tensor) -> Tensor:
        shift, scale, nan, positive, negative = (
            self.get_buffer(f"{name}_{part}") for part in PARTS
        )
        x = torch.where(torch.isnan(x), nan, x)
        x = torch.where(x == torch.inf, positive, x)
        x = torch.where(x == -torch.inf, negative, x)
        return (x - shift) / scale
