"""A layer that is random: in training by itself, in prediction as it was drawn for all events."""

from __future__ import annotations

from torch import Tensor, nn


class Drawn(nn.Module):
    """A random layer.

    Its draw is the same for all events and all points, as one draw of the network's weights is; so
    a prediction does not depend on the events beside it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.drawing = False
        self.drawn: Tensor | None = None

    def draw(self) -> None:
        """Forget the last draw and make another at the next call."""
        self.drawing, self.drawn = True, None

    def release(self) -> None:
        """Go back to the mean."""
        self.drawing, self.drawn = False, None


def replace(module: nn.Module, old: type[nn.Module], new: type[Drawn], *options: float) -> int:
    """Put `new(layer, *options)` in the place of every layer of type `old`; return their number."""
    count = 0
    for name, child in module.named_children():
        if type(child) is old:
            setattr(module, name, new(child, *options))  # type: ignore[call-arg]
            count += 1
        else:
            count += replace(child, old, new, *options)
    return count
