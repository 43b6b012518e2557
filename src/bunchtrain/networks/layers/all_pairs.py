"""Every ordered pair of particles of the same jet, without a slot for a pair that is not there."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.packing import segment_ids, starts

METRIC = (1.0, -1.0, -1.0, -1.0)


@dataclass(frozen=True)
class AllPairs:
    """The ordered pairs (i, j) of each jet, those of the same i one after the other.

    receiver  (pairs,) the number of i.
    sender    (pairs,) the number of j.
    mirror    (pairs,) which pair is (j, i).
    number    (points,) how many pairs have the point as receiver.
    real      (pairs,) False for a pair that only fills a table (in exported networks), or None.
    """

    receiver: Tensor
    sender: Tensor
    mirror: Tensor
    number: Tensor
    real: Tensor | None = None

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum over j of values (pairs, channel): (points, channel)."""
        if self.real is not None:
            values = torch.where(self.real[:, None], values, 0.0)
        total = values.new_zeros(self.number.shape[0], values.shape[1])
        return total.index_add(0, self.receiver, values)


def all_pairs(lengths: Tensor, points: int, own: bool) -> AllPairs:
    """Return all ordered pairs of points of the same jet; with `own`, (i, i) too.

    lengths (batch,) counts the points of each jet, `points` those of all jets together.
    """
    if torch.compiler.is_exporting():
        return _table(lengths, points, own)
    jet, others = segment_ids(lengths, points), lengths - int(not own)
    number, point = others[jet], torch.arange(points, device=lengths.device)
    place = point - starts(lengths)[jet]  # of i in its jet
    receiver = point.repeat_interleave(number)
    slot = torch.arange(len(receiver), device=lengths.device) - starts(number)[receiver]
    sender = slot if own else slot + (slot >= place[receiver]).long()  # of j in its jet
    back = place[receiver] if own else place[receiver] - (sender < place[receiver]).long()
    sender = sender + starts(lengths)[jet[receiver]]
    return AllPairs(receiver, sender, starts(number)[sender] + back, number)


def _table(lengths: Tensor, points: int, own: bool) -> AllPairs:
    """Return every pair of the batch, those of one jet real.

    No shape depends on the lengths, as exporting to ONNX wants it.
    """
    jet = segment_ids(lengths, points)
    point = torch.arange(points, device=lengths.device)
    receiver, sender = (axis.reshape(-1) for axis in torch.meshgrid(point, point, indexing="ij"))
    real = (jet[receiver] == jet[sender]) & (own | (receiver != sender))
    return AllPairs(receiver, sender, sender * points + receiver, lengths[jet] - int(not own), real)


def linear_of_pairs(
    layer: nn.Linear, points: Tensor, pairs: AllPairs, seen: Tensor | None = None
) -> Tensor:
    """Return W [x_i, x_j, s_ij] + b of every pair: (pairs, width).

    The first two products are taken over points and not over pairs. points (points, channel),
    seen (pairs, feature) or None.
    """
    size = points.shape[1]
    received = functional.linear(points, layer.weight[:, :size], layer.bias)
    sent = functional.linear(points, layer.weight[:, size : 2 * size])
    along = received[pairs.receiver] + sent[pairs.sender]
    return along if seen is None else along + functional.linear(seen, layer.weight[:, 2 * size :])


def minkowski(one: Tensor, other: Tensor) -> Tensor:
    """Return E E' − p·p' of momenta (..., 4) as (E, px, py, pz): (...)."""
    return (one * other * one.new_tensor(METRIC)).sum(-1)


def with_beams(
    momenta: Tensor, lengths: Tensor, mass: float = 0.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Return momenta, lengths and which are beams, two beams (E, 0, 0, ±1) added to each jet.

    momenta (points, 4), lengths (batch,); the beams, of this mass in GeV, come after the particles
    of their jet.
    """
    energy = (1.0 + mass**2) ** 0.5
    beam = momenta.new_tensor([[energy, 0.0, 0.0, 1.0], [energy, 0.0, 0.0, -1.0]])
    batch, points = lengths.shape[0], momenta.shape[0]
    jets = torch.arange(batch, device=lengths.device)
    jet = torch.cat([segment_ids(lengths, points), jets, jets])
    beams = torch.cat([beam[:1].expand(batch, 4), beam[1:].expand(batch, 4)])
    every = torch.arange(points + 2 * batch, device=jet.device)
    order = (jet * every.shape[0] + every).argsort()
    return torch.cat([momenta, beams])[order], lengths + 2, order >= points
