"""Normalisation of the inputs, fitted on the training set and exported with the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from bunchtrain.representations._representation import Representation, Size
from bunchtrain.representations.preprocessing.finite import INTEGERS, Policy
from bunchtrain.representations.preprocessing.statistics import Statistics

PARTS = ("shift", "scale", "nan", "positive", "negative")


class Normalisation(nn.Module):
    """Map inputs to (x − shift) / scale, with replacements for NaN, +∞ and −∞.

    Constructed from the sizes of the tensors it is the identity; `Normalisation.fit` fits it to the
    training set, and `load_state_dict` restores a fitted state. All parameters are buffers with one
    value per column (or pixel of an image).
    """

    def __init__(self, sizes: Mapping[str, Size]) -> None:
        super().__init__()
        self.tensors = [name for name in sizes if name not in INTEGERS]
        empty = {"shift": 0.0, "scale": 1.0} | _KEEP
        for name in self.tensors:
            size = sizes[name]
            shape = (size,) if isinstance(size, int) else tuple(size)
            for part in PARTS:
                self.register_buffer(f"{name}_{part}", torch.full(shape, empty[part]))

    @classmethod
    def fit(
        cls,
        blocks: Iterable[Mapping[str, Tensor]],
        representation: Representation,
        policy: Policy = "raise",
    ) -> Normalisation:
        """Return the normalisation of a representation, fitted on blocks of its tensors.

        The blocks are read once. With "standard", shift and scale are mean and standard deviation,
        with "robust" median and quartile range; a constant column has scale 1. Under the policy
        `clip` an infinity becomes the largest or smallest finite value of its column and NaN 0,
        under `impute` all three become the median; otherwise they are unchanged.
        """
        fitted = cls(representation.sizes)
        kinds = dict.fromkeys(fitted.tensors, "none")
        kinds |= dict.fromkeys(representation.normalised, representation.normalise)
        statistics = {
            name: Statistics(
                tuple(fitted.get_buffer(f"{name}_shift").shape),
                sampled=policy == "impute" or kinds[name] == "robust",
            )
            for name in fitted.tensors
        }
        for block in blocks:
            for name in fitted.tensors:
                statistics[name].add(block[name])
        for name, found in statistics.items():
            values = found.location_and_scale(kinds[name]) | _replacements(found, policy)
            fitted._set(name, values)
        return fitted

    def _set(self, name: str, values: dict[str, Tensor]) -> None:
        for part, value in values.items():
            self.get_buffer(f"{name}_{part}").copy_(value)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inputs normalised; other tensors are passed through unchanged."""
        return {
            name: self._one(name, x) if name in self.tensors else x for name, x in inputs.items()
        }

    def inverse(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return normalised tensors in the units of the inputs, x · scale + shift."""
        return {
            name: x * self.get_buffer(f"{name}_scale") + self.get_buffer(f"{name}_shift")
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


_KEEP = {"nan": torch.nan, "positive": torch.inf, "negative": -torch.inf}


def _replacements(found: Statistics, policy: Policy) -> dict[str, Tensor]:
    if policy == "clip":
        zero = torch.zeros_like(found.largest)
        return {"nan": zero, "positive": found.largest, "negative": found.smallest}
    if policy == "impute":
        return dict.fromkeys(_KEEP, found.quantile(0.5))
    return {part: torch.full_like(found.largest, value) for part, value in _KEEP.items()}
