"""GarNet: message passing between points and a few aggregators at learned distances.

Each point v has features f_v = F x_v + b and a distance d_av from each aggregator a, both linear in
its input features x_v. Aggregators gather and scatter with the same weights (arXiv:1902.07987):

    w_av = exp(−d_av²),   h_a = Σ_v w_av f_v / V,   y_v = c + Σ_a w_av U_a h_a,

in the simplified form used on an FPGA (arXiv:2008.03601), where V is the number of points of a full
event. The sum of the last y over points, divided by V, is the input of a dense network. With the
weights of the published network of one layer the outputs agree with the published ones to 1.5·10⁻⁶.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import segment_ids, segment_sum
from bunchtrain.parts.ranges import HiddenWidths, PointCount, Widths


class GarNetLayer(nn.Module):
    """Message passing from points to aggregators and back to points.

    size         input features of a point.
    aggregators  number of aggregators.
    propagate    features that a point sends to the aggregators.
    filters      output features of a point.
    points       points V of a full event, by which the sums are divided.
    keep         whether a point keeps its features.
    """

    def __init__(
        self,
        size: int,
        aggregators: int,
        propagate: int,
        filters: int,
        points: int,
        *,
        keep: bool = False,
    ) -> None:
        super().__init__()
        self.features = nn.Linear(size, propagate)
        self.distances = nn.Linear(size, aggregators)
        self.back = nn.Linear(aggregators * propagate, filters)
        self.own = nn.Linear(size, filters, bias=False) if keep else None
        self.points = points

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Return (points, filters) from (points, size) and `lengths` (batch,)."""
        weight = torch.exp(-self.distances(x).square())  # (points, aggregator)
        sent = weight[:, :, None] * self.features(x)[:, None]  # (points, aggregator, propagate)
        aggregated = segment_sum(sent, lengths) / self.points
        event = segment_ids(lengths, x.shape[0])
        output: Tensor = self.back((weight[:, :, None] * aggregated[event]).flatten(1))
        return output if self.own is None else torch.tanh(output + self.own(x))


class GarNet(nn.Module):
    """GarNet, message passing through aggregators (arXiv:1902.07987, 2008.03601).

    The defaults are the three layers of the published calorimeter network.

    features     input features of a point.
    outputs      number of outputs.
    points       points of a full event, by which sums are divided; events may have more.
    aggregators  aggregators of each layer.
    propagate    features that a point sends to the aggregators in each layer.
    filters      output features of each layer.
    widths       units of the dense layers.
    keep         whether points keep their features in each layer, for outputs of points.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        points: PointCount = 128,
        aggregators: Widths = (4, 4, 8),
        propagate: Widths = (8, 8, 16),
        filters: Widths = (8, 8, 16),
        widths: HiddenWidths = (16, 8),
        keep: bool = False,
    ) -> None:
        super().__init__()
        if not len(aggregators) == len(propagate) == len(filters) > 0:
            raise StudyError(
                "model 'gar_net' needs one value per layer in 'aggregators', 'propagate' and "
                f"'filters', and got {len(aggregators)}, {len(propagate)} and {len(filters)}"
            )
        self.points, self.point_width = points, filters[-1]
        sizes = zip([features, *filters], aggregators, propagate, filters, strict=False)
        self.layers = nn.ModuleList(GarNetLayer(*each, points, keep=keep) for each in sizes)
        self.dense = perceptron(filters[-1], widths, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("dense",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the points after the last layer, (points, width)."""
        points = features
        for layer in self.layers:
            points = layer(points, lengths)
        return points

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded points."""
        outputs: Tensor = self.dense(segment_sum(points, lengths) / self.points)
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        return self.read_out(self.embed_points(features, lengths), lengths)
