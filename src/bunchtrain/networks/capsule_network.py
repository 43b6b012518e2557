"""Capsule network: vector-valued units with routing by agreement."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Depth, Kernel, Width

SMALLEST = 1e-8  # added to |s|² before the square root


def squash(vectors: Tensor) -> Tensor:
    """Return |s|² / (1 + |s|²) · s / |s| of vectors (..., dimension), of lengths in [0, 1)."""
    square = vectors.square().sum(-1, keepdim=True)
    return vectors * (square + SMALLEST).sqrt() / (1 + square)


def route(predictions: Tensor, iterations: int) -> Tensor:
    """Return the capsules v_j from predictions û_j|i by dynamic routing (routing by agreement).

    Starts from b_ij = 0 and iterates c_ij = softmax_j(b_ij), v_j = squash(Σ_i c_ij û_j|i),
    b_ij ← b_ij + û_j|i · v_j.

    predictions  (batch, i, j, dimension).
    iterations   number of iterations, at least 1.

    Returns:
        (batch, j, dimension).
    """
    agreement = predictions.new_zeros(predictions.shape[:3])  # b (batch, i, j)
    for iteration in range(iterations):
        coupling = agreement.softmax(2)
        capsules = squash(torch.einsum("bij,bijd->bjd", coupling, predictions))
        if iteration < iterations - 1:
            agreement = agreement + torch.einsum("bijd,bjd->bij", predictions, capsules)
    return capsules


class CapsuleNetwork(nn.Module):
    """Capsule network with routing by agreement on images (arXiv:1710.09829, 1906.11265).

    A convolution; a second one, whose channels at each position are grouped into squashed vectors
    u_i ("primary capsules"); predictions û_j|i = W_ij u_i for each class j; and dynamic routing,
    in which the capsule v_j of each class gives the largest weights to the predictions that agree.
    The outputs are the lengths |v_j|, from 0 to 1, to be trained with the loss `margin`;
    `capsules` returns the vectors. Images may have several channels, such as images of tracks and
    of calorimeters of different scales.

    The network of the first paper has 256 filters and 32 kinds of primary capsules; the other
    defaults are those of the paper, whose decoder of images is left out.

    image       (channels, rows, columns) of an image.
    outputs     number of outputs, one per class.
    filters     filters of the first convolution.
    kernel      pixels along each side of both convolutions.
    kinds       kinds of primary capsules, each at every position.
    primary     dimension of a primary capsule.
    dimension   dimension of a class capsule.
    iterations  iterations of the routing.

    Raises StudyError if the image is too small for the convolutions, or there is no iteration.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: Width = 32,
        kernel: Kernel = 9,
        kinds: Width = 8,
        primary: Width = 8,
        dimension: Width = 16,
        iterations: Depth = 3,
    ) -> None:
        super().__init__()
        channels, rows, columns = image
        if min(rows, columns) < 2 * kernel - 1 or iterations < 1:
            raise StudyError(
                f"capsule_network: two convolutions of {kernel} × {kernel} need an image of at "
                f"least {2 * kernel - 1} pixels a side and got one of {rows} × {columns}, with "
                f"{iterations} iterations; give a smaller 'kernel', a larger image or 'iterations'"
            )
        self.primary, self.iterations = primary, iterations
        self.first = nn.Conv2d(channels, filters, kernel)
        self.second = nn.Conv2d(filters, kinds * primary, kernel, stride=2)
        positions = [(size - 2 * (kernel - 1) + 1) // 2 for size in (rows, columns)]
        count = kinds * positions[0] * positions[1]
        weight = torch.randn(count, outputs, dimension, primary)
        self.weight = nn.Parameter(weight / (primary * count**0.5) ** 0.5)

    def forward(self, image: Tensor) -> Tensor:
        """Return the lengths (batch, outputs) from `image` (batch, channel, row, column)."""
        return (self.capsules(image).square().sum(2) + SMALLEST).sqrt()

    def capsules(self, image: Tensor) -> Tensor:
        """Return the capsules of the classes: (batch, outputs, dimension)."""
        features = self.second(functional.relu(self.first(image)))
        vectors = features.unflatten(1, (-1, self.primary)).flatten(3).transpose(2, 3)
        primaries = squash(vectors.flatten(1, 2))  # (batch, i, primary)
        return route(torch.einsum("ijdp,bip->bijd", self.weight, primaries), self.iterations)
