"""The momenta of the leading particles of each jet, as many for every jet."""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import starts


def leading_momenta(momenta: Tensor, lengths: Tensor, number: int) -> Tensor:
    """Return the first momenta of each jet, 0 where it has fewer: (batch, number, 4).

    momenta (points, 4), packed in the order of the particles; lengths (batch,).
    """
    slot = torch.arange(number, device=lengths.device)
    point = torch.where(slot < lengths[:, None], starts(lengths)[:, None] + slot + 1, 0)
    return torch.cat([momenta.new_zeros(1, 4), momenta])[point]
