"""An event as an image: a regular grid of pT around the axis of the jet."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Pixels, Radius
from bunchtrain.physics.packed import Flags, Floats, Ints, jet_index, sum_by_jet
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations._representation import ImageRepresentation, Size
from bunchtrain.representations.preprocessing import image_steps as steps
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.tables.expressions.expression import Expression


class Image(ImageRepresentation):
    """Jet images: centre, rotate, flip, pixelate, crop, normalise by the total intensity.

    The pixel at (r, s) is Σ pT_i over the points i in it, divided by Σ pT_i of all pixels.

    pixels     pixels along each side; rows are φ upwards, columns η.
    width      of the image in η and in φ.
    channels   one expression per channel, summed in each pixel.
    jet        prefix of the columns of the jet; the sum of all points if unset.
    centre     move the pT centroid, not the jet axis, to the centre.
    rotate     rotate the principal axis to the vertical.
    flip       mirror so that the quadrant of largest pT is the upper right.
    crop       drop points outside; otherwise they are added to the pixels at the edge.
    unit       divide each channel by its total, which becomes 1; by that of the absolute values
               if the channel has both signs.
    normalise  "standard" for (image − mean) / standard deviation over the training set.

    arXiv:1808.08979
    """

    normalised = ("image",)

    def __init__(
        self,
        *,
        group: str = "constituent",
        channels: list[str] = ["pt"],  # noqa: B006 - never changed
        pixels: Pixels = 40,
        width: Radius = 1.6,
        centre: bool = True,
        rotate: bool = True,
        flip: bool = True,
        crop: bool = True,
        unit: bool = True,
        jet: str | None = None,
        normalise: Normalise = "none",
    ) -> None:
        if pixels < 1 or width <= 0 or not channels:
            raise StudyError(
                "an image needs at least one channel, one pixel and a width above 0 "
                f"(channels: {len(channels)}, pixels: {pixels}, width: {width})"
            )
        self.group, self.jet, self.pixels, self.width = group, jet, pixels, width
        self.channels = [Expression(text) for text in channels]
        chosen = {"centre": centre, "rotate": rotate, "flip": flip}
        self.steps = [getattr(steps, name) for name, on in chosen.items() if on]
        self.crop, self.unit, self.normalise = crop, unit, normalise
        rotated = ", rotated" if rotate else ""
        self.axes = (f"Δη{rotated}", f"Δφ{rotated}")  # labels of columns and rows

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        return required_columns(
            [each.text for each in self.channels], self.group, available, self.jet
        )

    @property
    def sizes(self) -> dict[str, Size]:
        """Return (channels, rows, columns)."""
        return {"image": (len(self.channels), self.pixels, self.pixels)}

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Return the ends of the image in η and in φ, from the middle of the jet."""
        return (-self.width / 2, self.width / 2, -self.width / 2, self.width / 2)

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the channels."""
        return {"image": [each.text for each in self.channels]}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `image` (batch, channel, row, column), NaN for an event with NaN or infinity."""
        points = Points(events, self.group, self.jet)
        intensity = points.table(self.channels)
        values = [points["deta"], points["dphi"], points["pt"], *intensity.T]
        invalid = ~np.isfinite(np.stack(values, 1)).all(1)
        x, y, pt = (np.where(invalid, 0, value) for value in values[:3])
        intensity[invalid] = 0
        image = self.images(x, y, pt, intensity, points.lengths)
        image[sum_by_jet(invalid, points.lengths) > 0] = np.nan
        return {"image": image}

    def images(self, x: Floats, y: Floats, pt: Floats, intensity: Floats, lengths: Ints) -> Floats:
        """Return the images (jets, channel, row, column) of packed points.

        x, y and pt are (points,), the intensities (points, channel) and `lengths` (jets,).
        """
        for step in self.steps:
            x, y = step(x, y, pt, lengths)
        row, column = steps.pixel_index(x, y, self.pixels, self.width)
        if not self.crop:
            row, column = np.clip(row, 0, self.pixels - 1), np.clip(column, 0, self.pixels - 1)
        inside = (np.minimum(row, column) >= 0) & (np.maximum(row, column) < self.pixels)
        pixel = (jet_index(lengths) * self.pixels + row) * self.pixels + column
        channels = [self._channel(values, pixel, inside, lengths) for values in intensity.T]
        return np.stack(channels, 1) if len(channels) > 1 else channels[0][:, None]

    def _channel(self, values: Floats, pixel: Ints, inside: Flags, lengths: Ints) -> Floats:
        if self.unit:
            values = steps.normalise_weights(values, inside, lengths)
        count = len(lengths) * self.pixels**2
        image = steps.pixelate(values, pixel, inside, count)
        return image.reshape(-1, self.pixels, self.pixels)
