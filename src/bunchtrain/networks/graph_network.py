"""Graph network: messages along the edges of a graph, with features of the edges."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.networks.layers.dense import Activation, dense, perceptron
from bunchtrain.networks.layers.packing import segment_mean
from bunchtrain.parts.ranges import Depth, HiddenWidths, Width


class GraphNetwork(nn.Module):
    """Interaction network along given edges, for graphs of hits (arXiv:2103.16701, 2003.11603).

        e_ik = e_ik + φ_E(x_i, x_k, e_ik),   x_k = x_k + φ_N(x_k, ⟨e_ik⟩_i, ⟨e_ki⟩_i),

    repeated with separate weights. ⟨e⟩ is the mean over the edges of a point, weighted by a gate
    σ(g(e)), so that edges between different particles are left out (arXiv:1711.07553). Those of
    both directions are averaged separately: a hit distinguishes its neighbours in lower and in
    higher layers. The output of events is φ_C(mean_k x_k). Invariant under permutations of points
    and of edges.

    features       features of a point.
    edge_features  features of an edge.
    outputs        number of outputs.
    width          size of the vectors of points and edges.
    rounds         number of rounds of messages.
    classifier     hidden widths of φ_C.
    activation     activation function.
    """

    def __init__(
        self,
        features: int,
        edge_features: int,
        outputs: int,
        *,
        width: Width = 64,
        rounds: Depth = 3,
        classifier: HiddenWidths = (64,),
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.point_width = width
        self.points = dense(features, (width, width), activation)
        self.edges = dense(edge_features, (width, width), activation)
        self.messages = nn.ModuleList(
            perceptron(3 * width, (width,), width, activation) for _ in range(rounds)
        )
        self.gates = nn.ModuleList(nn.Linear(width, 1) for _ in range(rounds))
        self.updates = nn.ModuleList(
            perceptron(3 * width, (width,), width, activation) for _ in range(rounds)
        )
        self.classifier = perceptron(width, classifier, outputs, activation)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_edges(
        self, features: Tensor, edges: Tensor, edge_features: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the vectors of points (points, width) and of edges (edges, width)."""
        x, e = self.points(features), self.edges(edge_features)
        first, second = edges[0], edges[1]
        rounds = zip(self.messages, self.gates, self.updates, strict=True)
        for message, gate, update in rounds:
            e = e + _message(message, x, e, first, second)
            weight = torch.sigmoid(gate(e))
            received = [_mean_at(e, weight, end, len(x)) for end in (second, first)]
            x = x + update(torch.cat([x, *received], 1))
        return x, e

    def embed_points(
        self, features: Tensor, edges: Tensor, edge_features: Tensor, lengths: Tensor
    ) -> Tensor:
        """Return the vectors x_k after all rounds, (points, width)."""
        return self.embed_edges(features, edges, edge_features, lengths)[0]

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.classifier(segment_mean(points, lengths))
        return outputs

    def forward(
        self, features: Tensor, edges: Tensor, edge_features: Tensor, lengths: Tensor
    ) -> Tensor:
        """Return (batch, outputs) from packed points, `edges` (2, edges) and their features."""
        points = self.embed_points(features, edges, edge_features, lengths)
        return self.read_out(points, lengths)


def _message(message: nn.Module, x: Tensor, e: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Return φ_E(x_i, x_k, e_ik) of the edges, (edges, width).

    The first layer is linear in its three inputs, so that it acts on points before they are
    gathered at the edges: a third of the operations, without a copy of all inputs.
    """
    layer, *others = message.children()
    assert isinstance(layer, nn.Linear)
    of_first, of_second, of_edge = torch.split(layer.weight, x.shape[1], 1)
    hidden = nn.functional.linear(e, of_edge, layer.bias)
    hidden = hidden + nn.functional.linear(x, of_first).index_select(0, first)
    hidden = hidden + nn.functional.linear(x, of_second).index_select(0, second)
    for one in others:
        hidden = one(hidden)
    return hidden


def _mean_at(messages: Tensor, weight: Tensor, points: Tensor, count: int) -> Tensor:
    """Return the mean of the messages (edges, width), weighted, at each of the points, else 0."""
    total = messages.new_zeros(count, messages.shape[1]).index_add(0, points, weight * messages)
    weights = messages.new_zeros(count, 1).index_add(0, points, weight)
    return total / (weights + 1e-6)
