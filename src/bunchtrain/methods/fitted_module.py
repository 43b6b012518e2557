"""Models that are fit in one call as modules of torch, as exports need them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.normalisation_layer import NormalisationLayer
from bunchtrain.methods.supervised import Network
from bunchtrain.networks.layers.fit_models import FitModel


class FittedModule(nn.Module):
    """A fitted model as a module, its arrays as buffers.

    model  that is fit, or not yet.
    """

    def __init__(self, model: FitModel) -> None:
        super().__init__()
        self.model, self.input_names = model, model.tensors
        self.names = list(model.arrays())
        for name, array in model.arrays().items():
            self.register_buffer(name.replace(".", "_"), torch.tensor(array))

    def forward(self, *inputs: Tensor, **named: Tensor) -> Tensor:
        """Return the outputs (batch, outputs) from the model's tensors, also by their names."""
        (table,) = (*inputs, *named.values())  # all of these models take one
        buffers = {name: self.get_buffer(name.replace(".", "_")) for name in self.names}
        outputs: Tensor = self.model.evaluate(buffers, table.float())
        return outputs


def as_network(network: Network | FittedNetwork) -> Network:
    """Return a network on tensors; one on arrays is copied."""
    if isinstance(network, Network):
        return network
    layer, module = NormalisationLayer(network.normalisation), FittedModule(network.model)
    found: Any = Network(layer, module, network.heads)
    found.shift.copy_(torch.from_numpy(network.shift))
    found.scale.copy_(torch.from_numpy(network.scale))
    made: Network = found.eval()
    return made
