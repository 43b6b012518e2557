"""ResNeXt: a deep residual network on jet images with grouped convolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Depth, Dropout, Width


class ResNeXt(nn.Module):
    """ResNeXt-50 32×4d on jet images (arXiv:1611.05431), with the widths of arXiv:1902.09914.

    A convolution of 7 × 7 and a max-pooling, each of stride 2, then four stages of 3, 4, 6 and 3
    residual units

        x' = relu(x + BN(W₃ relu(BN(W₂ * relu(BN(W₁ x)))))),

    with W₁ and W₃ of 1 × 1 and W₂ of 3 × 3 in 32 groups; each stage but the first halves the image
    and doubles the channels. Dropout and a linear layer follow the mean over the image. The
    top-tagging comparison uses images of 64 × 64 pixels and, in all layers but the first, a quarter
    of the channels; `shrink=1` is the network of the first paper.

    image    (channels, rows, columns) of an image.
    outputs  number of outputs.
    units    residual units of each stage.
    groups   groups of W₂.
    shrink   factor by which the stages have fewer channels than in the first paper.
    dropout  fraction dropped before the outputs in training.

    Raises StudyError if the groups do not divide the channels of a stage.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        units: tuple[Depth, ...] = (3, 4, 6, 3),
        groups: Width = 32,
        shrink: Width = 4,
        dropout: Dropout = 0.5,
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(image[0], 64, 7, stride=2, padding=3, bias=False)
        self.norm = nn.BatchNorm2d(64)
        layers, channels = [], 64
        for stage, count in enumerate(units):
            width = 256 * 2**stage // shrink
            if groups < 1 or width < 2 or width // 2 % groups:
                raise StudyError(
                    f"resnext: {groups} groups do not divide the {width // 2} channels of the "
                    f"3 × 3 convolutions of stage {stage + 1}; give fewer 'groups' or a smaller "
                    f"'shrink' than {shrink}"
                )
            for unit in range(count):
                stride = 2 if stage > 0 and unit == 0 else 1
                layers.append(ResidualUnit(channels, width, groups, stride))
                channels = width
        self.units = nn.Sequential(*layers)
        self.dropout, self.head = nn.Dropout(dropout), nn.Linear(channels, outputs)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        values = functional.relu(self.norm(self.first(image)))
        values = self.units(functional.max_pool2d(values, 3, stride=2, padding=1))
        outputs: Tensor = self.head(self.dropout(values.mean((2, 3))))
        return outputs


class ResidualUnit(nn.Module):
    """Convolutions of 1 × 1, 3 × 3 in groups and 1 × 1, with a shortcut."""

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
