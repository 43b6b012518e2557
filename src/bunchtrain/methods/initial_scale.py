"""Initial weights for which the outputs have the scale of their targets.

Networks that sum over the points of an event give outputs that grow with the number of points: for
a cloud of 400 hits the initial loss can be thousands of times that of a constant. The layers of
such a network are scaled in their order, so that the root mean square of their outputs is 1 on
training events: the layer-sequential initialisation of arXiv:1511.06422, where it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bunchtrain.methods.supervised import Network

#: Root mean square of a network's outputs, in standard deviations of a value, above which its
#: layers are scaled; and of a logit, which may be large.
LIMIT_OF_VALUES, LIMIT_OF_LOGITS = 3.0, 50.0


def scale_initial_weights(network: Network, inputs: Mapping[str, Tensor]) -> None:
    """Scale the linear layers of a network whose initial outputs are far too large.

    network  with initial weights.
    inputs   some training events, as `Batch.inputs`.
    """
    model = network.model
    layers = [layer for layer in model.modules() if type(layer) is nn.Linear]
    if not layers or not _is_too_large(network, inputs):
        return
    hooks = [layer.register_forward_hook(_scale) for layer in layers]
    try:
        _initial_outputs(network, inputs)
    finally:
        for hook in hooks:
            hook.remove()


def _is_too_large(network: Network, inputs: Mapping[str, Tensor]) -> bool:
    for target, values in _initial_outputs(network, inputs).items():
        limit = LIMIT_OF_VALUES if target in network.units else LIMIT_OF_LOGITS
        if bool(values.square().mean().sqrt() > limit):
            return True
    return False


def _initial_outputs(network: Network, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the outputs of each head as in training, without a change of any state."""
    state = {name: buffer.clone() for name, buffer in network.named_buffers()}
    was_training = network.training
    network.train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        outputs = network.members(dict(inputs))[0]
        for name, buffer in network.named_buffers():
            buffer.copy_(state[name])
    network.train(was_training)
    return outputs


def _scale(layer: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Divide the weights of a layer by the root mean square of its outputs, if it is above 1."""
    size = output.square().mean().sqrt()
    if not size > 1:
        return output
    layer.weight.div_(size)
    if layer.bias is not None:
        layer.bias.div_(size)
    return output / size
