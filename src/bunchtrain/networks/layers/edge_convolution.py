"""Edge convolution over packed points (arXiv:1801.07829, 1902.08570)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers import edge_layers
from bunchtrain.networks.layers.cpu_kernels import linear
from bunchtrain.networks.layers.edges import Edges
from bunchtrain.networks.layers.normalisation import fold, normalise, update_running_moments


class EdgeConvolution(nn.Module):
    """Edge convolution with a shortcut.

        m_ij = h(x_i, x_j − x_i),   x_i' = relu(mean_j m_ij + BN(V x_i)),

    where h is a sequence of linear maps, each followed by batch normalisation over all edges and
    ReLU, and the mean is over the existing neighbours. The first linear map is computed for points
    and not for edges: W·[x_i, x_j − x_i] = (W₁ − W₂) x_i + W₂ x_j.

    On a CPU the layers run in chunks that fit in its cache (`edge_layers`); on other devices, for
    export and with `fused` False they run as the plain operations.

    features  features of a point.
    channels  widths of the layers of h.
    """

    def __init__(self, features: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        widths = [2 * features, *channels]
        self.weights = nn.ParameterList(
            nn.Linear(a, b, bias=False).weight for a, b in zip(widths, channels, strict=False)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for width in channels)
        self.shortcut = nn.Linear(features, channels[-1], bias=False)
        self.shortcut_norm = nn.BatchNorm1d(channels[-1])
        self.fused = True

    def forward(self, points: Tensor, edges: Edges) -> Tensor:
        """Return the points after the convolution: (points, channels[-1])."""
        first, second = self.weights[0].chunk(2, dim=1)
        fused = self._can_fuse(points, edges)
        dot = linear if fused else functional.linear
        sent, received = dot(points, second), dot(points, first - second)
        if not fused:
            convolved = self._plain(sent, received, edges)
        elif self.training:
            convolved = self._train(sent, received, edges)
        else:
            convolved = self._infer(sent, received, edges)
        shortcut = normalise(dot(points, self.shortcut.weight), self.shortcut_norm)
        return functional.relu(convolved + shortcut)

    def _can_fuse(self, points: Tensor, edges: Edges) -> bool:
        if not self.fused or torch.compiler.is_compiling() or points.device.type != "cpu":
            return False
        supported = self.training or not torch.is_grad_enabled()
        return supported and not torch.is_autocast_enabled("cpu") and len(edges.sender) > 1

    def _plain(self, sent: Tensor, received: Tensor, edges: Edges) -> Tensor:
        values = sent[edges.sender] + received[edges.receiver]  # (edges, channel)
        values = functional.relu(normalise(values, self.norms[0]))
        for weight, norm in zip(self.weights[1:], list(self.norms)[1:], strict=True):
            values = functional.relu(normalise(functional.linear(values, weight), norm))
        if edges.mask is not None:
            values = torch.where(edges.mask[:, None], values, 0.0)
        total = values.new_zeros(sent.shape[0], values.shape[1])
        total = total.index_add(0, edges.receiver, values)
        return total / edges.degree.clamp(min=1)[:, None]

    def _infer(self, sent: Tensor, received: Tensor, edges: Edges) -> Tensor:
        (scale, shift), *later = [fold(norm) for norm in self.norms]
        layers = [(w * s[:, None], t) for w, (s, t) in zip(self.weights[1:], later, strict=True)]
        received = torch.addcmul(shift, received, scale)
        return edge_layers.infer(sent * scale, received, edges, layers)

    def _train(self, sent: Tensor, received: Tensor, edges: Edges) -> Tensor:
        parameters = []
        for weight, norm in zip(self.weights, self.norms, strict=True):
            parameters += [weight, norm.weight, norm.bias]
        epsilon = self.norms[0].eps
        convolved: Tensor
        convolved, *moments = edge_layers.EdgeLayers.apply(  # type: ignore[no-untyped-call]
            sent, received, edges, epsilon, *parameters[1:]
        )
        for norm, mean, variance in zip(self.norms, moments[::2], moments[1::2], strict=True):
            update_running_moments(norm, mean, variance, len(edges.sender))
        return convolved
