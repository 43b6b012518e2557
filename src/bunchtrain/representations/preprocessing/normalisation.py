"""Normalisation of the inputs, fitted on the training set and exported with the network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from bunchtrain.batch import Array
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.representations.preprocessing.finite import INTEGERS, Policy
from bunchtrain.representations.preprocessing.statistics import Statistics

#: Arrays of each input: shift, scale, and the replacements for NaN, +∞ and −∞.
PARTS = ("shift", "scale", "nan", "positive", "negative")
_KEEP = {"nan": np.nan, "positive": np.inf, "negative": -np.inf}


class Normalisation:
    """Map inputs to (x − shift) / scale, with replacements for NaN, +∞ and −∞.

    Constructed from the sizes of the inputs it is the identity; `Normalisation.fit` fits it to the
    training set. A network contains it as a `NormalisationLayer`.

    arrays  `INPUT_shift`, `INPUT_scale`, `INPUT_nan`, `INPUT_positive` and `INPUT_negative`, each
            with one value per column (or pixel of an image), float32.
    """

    def __init__(self, sizes: Mapping[str, Size]) -> None:
        self.inputs = [name for name in sizes if name not in INTEGERS]
        self.arrays: dict[str, Array] = {}
        for name in self.inputs:
            for part, value in ({"shift": 0.0, "scale": 1.0} | _KEEP).items():
                self.arrays[f"{name}_{part}"] = np.full(sizes[name], value, np.float32)

    @classmethod
    def fit(
        cls,
        blocks: Iterable[Mapping[str, Array]],
        representation: Representation,
        policy: Policy = "raise",
    ) -> Normalisation:
        """Return the normalisation of a representation, fitted on blocks of its arrays.

        The blocks are read once. With "standard", shift and scale are mean and standard deviation,
        with "common" the root of the mean variance of all columns, with "robust" median and
        quartile range; a constant column has scale 1. Under the policy
        `clip` an infinity becomes the largest or smallest finite value of its column and NaN 0,
        under `impute` all three become the median; otherwise they are unchanged.
        """
        fitted = cls(representation.sizes)
        kinds = dict.fromkeys(fitted.inputs, "none")
        kinds |= dict.fromkeys(representation.normalised, representation.normalise)
        statistics = {
            name: Statistics(
                fitted.arrays[f"{name}_shift"].shape,
                sampled=policy == "impute" or kinds[name] == "robust",
            )
            for name in fitted.inputs
        }
        for block in blocks:
            for name in fitted.inputs:
                statistics[name].add(block[name])
        for name, found in statistics.items():
            values = found.location_and_scale(kinds[name]) | _replacements(found, policy)
            fitted.arrays |= {f"{name}_{part}": values[part] for part in PARTS}
        return fitted

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs, normalised; those of integers are passed through unchanged."""
        return {
            name: self._one(name, x) if name in self.inputs else x for name, x in inputs.items()
        }

    def _one(self, name: str, x: Array) -> Array:
        shift, scale, nan, positive, negative = (self.arrays[f"{name}_{part}"] for part in PARTS)
        if not np.isfinite(x).all():
            x = np.where(np.isnan(x), nan, x)
            x = np.where(x == np.inf, positive, x)
            x = np.where(x == -np.inf, negative, x)
        return np.asarray((x - shift) / scale)


def _replacements(found: Statistics, policy: Policy) -> dict[str, Array]:
    if policy == "clip":
        zero = np.zeros_like(found.largest)
        return {"nan": zero, "positive": found.largest, "negative": found.smallest}
    if policy == "impute":
        return dict.fromkeys(_KEEP, found.quantile(0.5))
    return {part: np.full_like(found.largest, value) for part, value in _KEEP.items()}
