"""Capsule network: vectors instead of numbers, sent where they agree."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.errors import StudyError

SMALLEST = 1e-8  # |s|² below which a capsule counts as of no length


def squash(vectors: Tensor) -> Tensor:
    """Return |s|² / (1 + |s|²) · s / |s| of vectors (..., dimension): of lengths from 0 to 1."""
    square = vectors.square().sum(-1, keepdim=True)
    return vectors * (square + SMALLEST).sqrt() / (1 + square)


def route(predictions: Tensor, iterations: int) -> Tensor:
    """Return the capsules v_j that predictions û_j|i agree on, by dynamic routing.

    Begins with b_ij = 0, and repeats: c_ij = softmax_j(b_ij), v_j = squash(Σ_i c_ij û_j|i),
    b_ij ← b_ij + û_j|i · v_j.

    Args:
        predictions: (batch, i, j, dimension).
        iterations: how often, at least once.

    Returns:
        (batch, j, dimension).
    """
    agreement = predictions.new_zeros(predictions.shape[:3])  # b (batch, i, j)
    for repeat in range(iterations):
        coupling = agreement.softmax(2)
        capsules = squash(torch.einsum("bij,bijd->bjd", coupling, predictions))
        if repeat < iterations - 1:
            agreement = agreement + torch.einsum("bijd,bjd->bij", predictions, capsules)
    return capsules


class CapsuleNetwork(nn.Module):
    """Capsule network with routing by agreement on images (arXiv:1710.09829, 1906.11265).

    A convolution; a second one, whose channels are grouped to vectors u_i, squashed, in every
    place ("primary capsules"); û_j|i = W_ij u_i, what each of them predicts for each class j; and
    dynamic routing, by which the capsule v_j of each class listens most to those that agree. The
    outputs are the lengths |v_j|, from 0 to 1, to be trained with the objective `margin`; what
    the capsules point at can be read with `capsules`. Images may have several channels, also of
    different scales, such as those of tracks and of calorimeters laid over one another.

    The network of the first paper has 256 filters and 32 kinds of primary capsules, in all else the
    default is as there. It does not have that paper's decoder of images.

    Args:
        image: (channels, rows, columns) of an image.
        outputs: classes.
        filters: filters of the first convolution.
        kernel: pixels along each side of both convolutions.
        kinds: kinds of primary capsules, each of which is in every place.
        primary: dimension of a primary capsule.
        dimension: dimension of a capsule of a class.
        iterations: of the routing.

    Raises:
        StudyError: the image is too small for the convolutions, or no iteration is asked for.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: int = 32,
        kernel: int = 9,
        kinds: int = 8,
        primary: int = 8,
        dimension: int = 16,
        iterations: int = 3,
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
        places = [(size - 2 * (kernel - 1) + 1) // 2 for size in (rows, columns)]
        self.number = kinds * places[0] * places[1]
        weight = torch.randn(self.number, outputs, dimension, primary)
        self.weight = nn.Parameter(weight / (primary * self.number**0.5) ** 0.5)

    def forward(self, image: Tensor) -> Tensor:
        """Return the lengths (batch, outputs) from `image` (batch, channel, row, column)."""
        return (self.capsules(image).square().sum(2) + SMALLEST).sqrt()

    def capsules(self, image: Tensor) -> Tensor:
        """Return the capsules of the classes: (batch, outputs, dimension)."""
        seen = self.second(
            functional.relu(self.first(image))
        )  # (batch, kind · primary, row, column)
        apart = seen.unflatten(1, (-1, self.primary)).flatten(3).transpose(2, 3)
        primaries = squash(apart.flatten(1, 2))  # (batch, i, primary)
        return route(torch.einsum("ijdp,bip->bijd", self.weight, primaries), self.iterations)
