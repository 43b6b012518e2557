"""What a circuit is made of: an exact function, and what it does to a sample of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.deployment.circuits.traced import TracedCircuit, trace
from bunchtrain.errors import ExportError
from bunchtrain.networks.layers.quantised.model import QuantisedModel
from bunchtrain.networks.layers.quantised.quantiser import Quantiser
from bunchtrain.networks.layers.quantised.weights import Weights

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Sample:
    """Events before a circuit, and what should come out of it.

    inputs     (events, inputs) in the formats of the circuit.
    outputs    (events, outputs) that the quantised network gives in PyTorch.
    real       (events, outputs) of the same network with nothing rounded.
    saturated  where → how many numbers lay outside of the range that is declared for them.
    """

    inputs: NDArray[np.float64]
    outputs: NDArray[np.float64]
    real: NDArray[np.float64]
    saturated: Mapping[str, int]


class ExactFunction(ABC):
    """A function of fixed-point numbers that has a circuit."""

    @abstractmethod
    def circuit(self, outputs: list[str]) -> TracedCircuit:
        """Return the circuit; `outputs` names what comes out."""

    @abstractmethod
    def sample(self, inputs: Inputs) -> Sample:
        """Return what the function does to normalised tensors by name."""


class QuantisedNetwork(ExactFunction):
    """A model of quantised layers, taken as it is.

    model  in which nothing is trained any more.
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
        """Return a name for each number of a tensor, the particle's number after the column's."""
        columns = self.names.get(tensor, [])
        if signs.ndim == 1 and len(columns) == len(signs):
            return columns
        if signs.ndim == 2 and len(columns) == signs.shape[1]:
            return [f"{column}[{place}]" for place in range(len(signs)) for column in columns]
        places = [",".join(map(str, place)) for place in np.ndindex(*signs.shape)]
        return [f"{tensor}[{place}]" for place in places]

    @torch.no_grad()
    def sample(self, inputs: Inputs) -> Sample:
        """Return what the model does, quantised and not, and where its ranges were left."""
        taken = self.model.quantise_inputs(dict(inputs))
        found: list[Tensor] = []
        saturated = self.model.overflows(lambda: found.append(self.model(**inputs)))
        with unrounded(self.model):
            real = self.model(**inputs)
        flat = torch.cat([taken[name].flatten(1) for name in self.model.input_formats()], 1)
        return Sample(_numbers(flat), _numbers(found[0]), _numbers(real), saturated)


def _numbers(tensor: Tensor) -> NDArray[np.float64]:
    return tensor.numpy(force=True).astype(np.float64)


@contextmanager
def unrounded(model: torch.nn.Module) -> Iterator[None]:
    """Let the model compute with its real weights and numbers."""
    modules = [m for m in model.modules() if isinstance(m, Quantiser | Weights)]
    before = [module.active for module in modules]
    for module in modules:
        module.active = False
    try:
        yield
    finally:
        for module, active in zip(modules, before, strict=True):
            module.active = active


def join(samples: list[Sample]) -> Sample:
    """Return the events of several samples as one.

    Raises ExportError if there is no event.
    """
    if not samples:
        raise ExportError("a circuit cannot be proved without events; give some")
    places = samples[0].saturated
    return Sample(
        np.concatenate([one.inputs for one in samples]),
        np.concatenate([one.outputs for one in samples]),
        np.concatenate([one.real for one in samples]),
        {place: sum(one.saturated[place] for one in samples) for place in places},
    )
