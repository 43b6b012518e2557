"""ResNeXt: a deep residual network on jet images, its convolutions split into many groups."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError


class ResNeXt(nn.Module):
    """ResNeXt-50 32×4d on jet images (arXiv:1611.05431), as narrow as in arXiv:1902.09914.

    A convolution of 7 × 7 and a max-pooling, each of stride 2, then four stages of 3, 4, 6 and 3
    residual units

        x' = relu(x + BN(W₃ relu(BN(W₂ * relu(BN(W₁ x)))))),

    W₁ and W₃ of 1 × 1 and W₂ a convolution of 3 × 3 in 32 groups; each stage but the first halves
    the image and doubles the channels. The mean over the image goes, with dropout, to the outputs.
    The top-tagging comparison takes images of 64 × 64 pixels and, in all layers but the first, a
    quarter of the channels; `shrink=1` is the network of the first paper.

    Args:
        image: (channels, rows, columns) of an image.
        outputs: numbers that the network gives.
        units: residual units of each stage.
        groups: groups of W₂.
        shrink: by how much the channels of the stages are fewer than in the first paper.
        dropout: share dropped before the outputs in training.

    Raises:
        StudyError: the groups do not divide the channels of a stage.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        units: tuple[int, ...] = (3, 4, 6, 3),
        groups: int = 32,
        shrink: int = 4,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(image[0], 64, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(64)
        made, channels = [], 64
        for stage, number in enumerate(units):
            width = 256 * 2**stage // shrink
            if groups < 1 or width < 2 or width // 2 % groups:
                raise StudyError(
                    f"resnext: {groups} groups do not divide the {width // 2} channels of the "
                    f"3 × 3 convolutions of stage {stage + 1}; give fewer 'groups' or a smaller "
                    f"'shrink' than {shrink}"
                )
            for unit in range(number):
                stride = 2 if stage > 0 and unit == 0 else 1
                made.append(ResidualUnit(channels, width, groups, stride))
                channels = width
        self.units = nn.Sequential(*made)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(channels, outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        values = functional.relu(self.norm(self.first(image)))
        values = self.units(functional.max_pool2d(values, 3, stride=2, padding=1))
        jets: Tensor = self.head(self.dropout(values.mean((2, 3))))
        return jets


class ResidualUnit(nn.Module):
    """Three convolutions, of 1 × 1, of 3 × 3 in groups and of 1 × 1, beside a shortcut."""

    def __init__(self, channels: int, width: int, groups: int, stride: int) -> None:
        super().__init__()
        inner = width // 2
        self.convolved = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU(),
            nn.Conv2d(inner, width, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, values: Tensor) -> Tensor:
        """Return (batch, width, row, column) after the unit."""
        return functional.relu(self.convolved(values) + self.shortcut(values))
