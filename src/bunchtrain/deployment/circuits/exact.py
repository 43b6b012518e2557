"""Exact functions of fixed-point numbers, and their inputs and outputs for a sample of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.deployment.circuits.tracing import TracedCircuit, trace
from bunchtrain.errors import ExportError
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Weights

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """Inputs of a circuit and its expected outputs.

    inputs     (events, inputs) in the formats of the circuit.
    outputs    (events, outputs) of the quantised network in PyTorch.
    unrounded  (events, outputs) of the same network without quantisation.
    saturated  quantity → number of values out of the range of its format.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    unrounded: NDArray[np.float64]
    saturated: Mapping[str, int]


class ExactFunction(ABC):
    """A function of fixed-point numbers with a circuit."""

    @abstractmethod
    def circuit(self, outputs: list[str]) -> TracedCircuit:
        """Return the circuit; `outputs` are the names of its outputs."""

    @abstractmethod
    def sample(self, inputs: Inputs) -> Sample:
        """Return inputs and outputs of the function for normalised tensors by name."""


class QuantisedNetwork(ExactFunction):
    """The exact function of a model of quantised layers.

    model  whose training is finished.
    names  tensor → names of its columns.
    """

    def __init__(self, model: QuantisedModel, names: Mapping[str, list[str]]) -> None:
        self.model, self.names = model.eval(), names

    def circuit(self, outputs: list[str]) -> TracedCircuit:
        """Return the circuit of the model's exact arithmetic."""
        formats = self.model.input_formats()
        inputs = [name for tensor in formats for name in self._names(tensor, formats[tensor][0])]
        return trace(self.model.exact, formats, inputs, outputs)

    def _names(self, tensor: str, signs: NDArray[np.int64]) -> list[str]:
        """Return a name for each element of a tensor, with the particle's index in brackets."""
        columns = self.names.get(tensor, [])
        if signs.ndim == 1 and len(columns) == len(signs):
            return columns
        if signs.ndim == 2 and len(columns) == signs.shape[1]:
            return [f"{column}[{index}]" for index in range(len(signs)) for column in columns]
        return [f"{tensor}[{','.join(map(str, index))}]" for index in np.ndindex(*signs.shape)]

    @torch.no_grad()
    def sample(self, inputs: Inputs) -> Sample:
        """Return inputs and outputs of the model, quantised and not, with its overflows."""
        quantised = self.model.quantise_inputs(dict(inputs))
        with self.model.count_overflows() as saturated:
            outputs = self.model(**inputs)
        with disable_rounding(self.model):
            unrounded = self.model(**inputs)
        flat = torch.cat([quantised[name].flatten(1) for name in self.model.input_formats()], 1)
        return Sample(_as_array(flat), _as_array(outputs), _as_array(unrounded), saturated)


def _as_array(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.numpy(force=True).astype(np.float64)


@contextmanager
def disable_rounding(model: torch.nn.Module) -> Iterator[None]:
    """Let the model compute with unquantised weights and activations."""
    modules = [m for m in model.modules() if isinstance(m, Quantiser | Weights)]
    before = [module.active for module in modules]
    for module in modules:
        module.active = False
    try:
        yield
    finally:
        for module, active in zip(modules, before, strict=True):
            module.active = active


def concatenate_samples(samples: list[Sample]) -> Sample:
    """Return the events of several samples as one.

    Raises ExportError if there is no event.
    """
    if not samples:
        raise ExportError("a circuit cannot be verified without events; give some")
    saturated = samples[0].saturated
    return Sample(
        np.concatenate([one.inputs for one in samples]),
        np.concatenate([one.outputs for one in samples]),
        np.concatenate([one.unrounded for one in samples]),
        {name: sum(one.saturated[name] for one in samples) for name in saturated},
    )
