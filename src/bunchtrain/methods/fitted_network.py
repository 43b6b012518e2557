"""Normalisation, model and heads of a model that is fit in one call, on arrays and without torch.

It has the interface of a `Network` as far as predictions, files and reports use it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bunchtrain.batch import Array, Batch
from bunchtrain.methods.model_inputs import input_names
from bunchtrain.networks.layers.fit_models import FitModel
from bunchtrain.representations.preprocessing.normalisation import Normalisation


class FittedNetwork:
    """Normalisation, model and heads on arrays.

    normalisation  of the inputs, fitted on the training set.
    model          takes the arrays that its `forward` names and gives (batch, sum of heads).
    heads          target name → count of outputs, in the order of the columns.

    The outputs are model(inputs) · scale + shift, as those of a `Network`.
    """

    trains_by_gradient = False
    has_posterior = False
    ensemble_size = 1

    def __init__(
        self, normalisation: Normalisation, model: FitModel, heads: Mapping[str, int]
    ) -> None:
        self.normalisation, self.model, self.heads = normalisation, model, dict(heads)
        self.input_names = self.model_inputs = input_names(model)
        self.readouts: dict[str, Any] = {}  # of points and edges, which it does not predict
        self.shift = np.zeros(sum(heads.values()), np.float32)
        self.scale = np.ones(sum(heads.values()), np.float32)
        #: Target → mean and standard deviation (value,) of its values, during the training only.
        self.units: dict[str, tuple[Array, Array]] = {}

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return head → (batch, outputs) in the units of the values."""
        return self._split(self._outputs(inputs) * self.scale + self.shift)

    def standardised(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return head → (batch, outputs) of the model, for targets as `standardise` gives them."""
        return self._split(self._outputs(inputs))

    def _outputs(self, inputs: Mapping[str, Array]) -> Array:
        normalised = self.normalise(inputs)
        return np.asarray(self.model(*(normalised[name] for name in self.model_inputs)))

    def _split(self, outputs: Array) -> dict[str, Array]:
        columns = np.split(outputs, np.cumsum(list(self.heads.values()))[:-1], 1)
        return dict(zip(self.heads, columns, strict=True))

    def normalise(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Return the normalised arrays of the model."""
        return self.normalisation({name: inputs[name] for name in self.input_names})

    def standardise(self, batch: Batch) -> Batch:
        """Return the batch with its values as (value − mean) / standard deviation."""
        targets = dict(batch.targets)
        for name, (mean, std) in self.units.items():
            kind = targets[name].dtype
            targets[name] = (targets[name] - mean.astype(kind)) / std.astype(kind)
        return replace(batch, targets=targets)

    def state_dict(self) -> dict[str, Any]:
        """Return the arrays that are saved, with the names of a `Network`."""
        return dict(self._state())

    def _state(self) -> Iterator[tuple[str, Any]]:
        yield from {"shift": self.shift, "scale": self.scale}.items()
        for name, value in self.normalisation.arrays.items():
            yield f"normalisation.{name}", value
        for name, value in self.model.state().items():
            yield f"model.{name}", value

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Set the arrays that `state_dict` returned.

        Raises ValueError or KeyError if they are of another model.
        """
        if set(state) != set(self.state_dict()):
            raise ValueError("other arrays")
        self.shift = state["shift"].reshape(self.shift.shape)
        self.scale = state["scale"].reshape(self.scale.shape)
        for name, value in self.normalisation.arrays.items():
            self.normalisation.arrays[name] = state[f"normalisation.{name}"].reshape(value.shape)
        first = "model."
        own = {key.removeprefix(first): x for key, x in state.items() if key.startswith(first)}
        self.model.load_state(own)

    @property
    def trained_parameters(self) -> int:
        """Count of the model's parameters: weights and biases, 0 of trees."""
        return self.model.parameter_count
