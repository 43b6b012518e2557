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

    def forward(self, table: Tensor) -> Tensor:
        """Return the outputs (batch, outputs) from `table` (batch, feature)."""
        buffers = {name: self.get_buffer(name.replace(".", "_")) for name in self.names}
        outputs: Tensor = self.model.evaluate(buffers, table.float())
        return outputs


class FittedWindowModule(FittedModule):
    """The same of windows: exports name inputs as the arguments of `forward`."""

    def forward(self, window: Tensor) -> Tensor:
        """Return the outputs (batch, outputs) from `window` (batch, feature, time)."""
        return super().forward(window)


def as_network(network: Network | FittedNetwork) -> Network:
    """Return a network on tensors; one on arrays is copied."""
    if isinstance(network, Network):
        return network
    layer = NormalisationLayer(network.normalisation)
    kind = FittedWindowModule if network.model.tensors == ("window",) else FittedModule
    found: Any = Network(layer, kind(network.model), network.heads)
    found.shift.copy_(torch.from_numpy(network.shift))
    found.scale.copy_(torch.from_numpy(network.scale))
    made: Network = found.eval()
    return made
