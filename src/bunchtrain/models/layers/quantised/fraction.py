"""The number of fractional bits: given, or learned by gradient."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.models.layers.quantised.fixed_point import straight

#: Fractional bits per unit of the trained number, so that the learning rate of the weights moves
#: widths by bits within some hundred steps.
PACE = 4.0


class Fraction(nn.Module):
    """Fractional bits f of each element, trained as f / PACE where they are learned.

    Args:
        start: real numbers of bits, of any shape.
        learned: whether f is trained; otherwise it is what `set` says.
    """

    def __init__(self, start: Tensor, learned: bool) -> None:
        super().__init__()
        self.learned = learned
        if learned:
            self.share: Tensor = nn.Parameter(start / PACE)
        else:
            self.register_buffer("share", start / PACE)

    def forward(self) -> Tensor:
        """Return whole numbers f, with the gradient of the real ones."""
        real = PACE * self.share
        return straight(real.round(), real) if self.learned else real

    def set(self, f: Tensor) -> None:
        """Set f to these numbers."""
        with torch.no_grad():
            self.share.copy_((f / PACE).expand_as(self.share))
