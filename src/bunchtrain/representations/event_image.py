"""Images of whole events in (η, φ), one channel per kind of object."""

from __future__ import annotations

from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError, nearest
from bunchtrain.parts.ranges import Pixels, Radius
from bunchtrain.physics.kinematics import wrap_angle
from bunchtrain.physics.packed import Floats, Ints, jet_index, positions, sum_by_jet
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations._representation import ImageRepresentation, Size
from bunchtrain.representations.preprocessing import image_steps as steps
from bunchtrain.representations.preprocessing.group import find_group
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.tables.expressions.expression import Expression

KEYS = ("group", "value", "where")


class EventImage(ImageRepresentation):
    """Images of whole events over η and φ, with one channel per kind of object.

        I_c(row, column) = Σ_i value_c(i) over the objects i of channel c in that pixel;

    rows are φ over the full azimuth, columns η. φ is relative to the hardest object of the group
    `centre`, which is then in the middle row (arXiv:1906.11265).

    channels   Name → `group`, the prefix of columns with one value or a list per event; `value`, an
               expression over its objects, `pt` if unset; and `where`, a condition on them.
    pixels     Pixels along each side.
    width      Width of the image in η; objects outside are dropped.
    centre     Prefix of the columns whose hardest object is at φ = 0; no shift if unset.
    flip       Mirror events in η so that Σ value η of the first channel is positive.
    normalise  "standard" for (image − mean) / standard deviation over the training set.

    Raises StudyError if a channel lacks its group or has an unknown key, or a size is out of range.
    """

    normalised = ("image",)
    axes = ("η", "φ")

    def __init__(
        self,
        *,
        channels: dict[str, dict[str, str]],
        pixels: Pixels = 40,
        width: Radius = 5.0,
        centre: str | None = None,
        flip: bool = True,
        normalise: Normalise = "none",
    ) -> None:
        if pixels < 1 or width <= 0 or not channels:
            raise StudyError(
                "an event image needs at least one channel, one pixel and a width above 0 "
                f"(channels: {len(channels)}, pixels: {pixels}, width: {width})"
            )
        for name, given in channels.items():
            for key in given:
                if key not in KEYS:
                    hint = nearest(key, KEYS) or f"; there are {', '.join(KEYS)}"
                    raise StudyError(f"channel '{name}' has no key '{key}'{hint}")
            if "group" not in given:
                raise StudyError(f"channel '{name}' needs its 'group', as jet")
        self.channels = {name: _Channel(**given) for name, given in channels.items()}
        self.pixels, self.width, self.normalise = pixels, width, normalise
        self.centre, self.flip = centre, flip

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        found = [c.columns(available) for c in self.channels.values()]
        found += [required_columns([], self.centre, available)] if self.centre else []
        return list(dict.fromkeys(name for names in found for name in names))

    @property
    def sizes(self) -> dict[str, Size]:
        """Return (channels, rows, columns)."""
        return {"image": (len(self.channels), self.pixels, self.pixels)}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the channels."""
        return {"image": list(self.channels)}

    @property
    def extent(self) -> tuple[float, float, float, float]:
        """Return the ends of the image in η and in φ."""
        return (-self.width / 2, self.width / 2, -np.pi, np.pi)

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `image` (batch, channel, row, column), NaN for an event with NaN or infinity."""
        turn = self._leading_phi(events)
        side, found = np.ones(len(events)), []
        for index, channel in enumerate(self.channels.values()):
            eta, phi, value, lengths = channel(events)
            if self.flip and index == 0:
                side = np.where(sum_by_jet(value * eta, lengths) < 0, -1.0, 1.0)
            relative = wrap_angle(phi - np.repeat(turn, lengths))
            found.append(self._pixelate(eta * np.repeat(side, lengths), relative, value, lengths))
        return {"image": np.stack(found, 1)}

    def _pixelate(self, eta: Floats, phi: Floats, value: Floats, lengths: Ints) -> Floats:
        invalid = ~np.isfinite(np.stack([eta, phi, value])).all(0)
        x, y = np.where(invalid, 0, eta) / self.width, np.where(invalid, 0, phi) / (2 * np.pi)
        row, column = steps.pixel_index(x, y, self.pixels, width=1.0)
        row %= self.pixels  # π is −π
        inside = (column >= 0) & (column < self.pixels) & ~invalid
        pixel = (jet_index(lengths) * self.pixels + row) * self.pixels + column
        image = steps.pixelate(value, pixel, inside, len(lengths) * self.pixels**2)
        image = image.reshape(-1, self.pixels, self.pixels)
        image[sum_by_jet(invalid, lengths) > 0] = np.nan
        return image

    def _leading_phi(self, events: ak.Array) -> Floats:
        """Return φ of the hardest object of `centre`, (events,); 0 where there is none."""
        phi = np.zeros(len(events))
        if self.centre is not None:
            points = _points(events, self.centre)
            order = np.lexsort((-points["pt"], jet_index(points.lengths)))
            first = order[positions(points.lengths) == 0]
            phi[points.lengths > 0] = points["phi"][first]
        return phi


class _Channel:
    """The objects of one channel: their group, weight and condition."""

    def __init__(self, group: str, value: str = "pt", where: str | None = None) -> None:
        self.group, self.value = group, Expression(value)
        self.where = None if where is None else Expression(where)

    def columns(self, available: Collection[str]) -> list[str]:
        texts = [each.text for each in (self.value, self.where) if each is not None]
        return required_columns(texts, self.group, available)

    def __call__(self, events: ak.Array) -> tuple[Floats, Floats, Floats, Ints]:
        """Return η, φ and value of the objects (points,), and their counts (events,)."""
        points = _points(events, self.group)
        chosen = np.ones(int(points.lengths.sum()), bool)
        if self.where is not None:
            chosen = points.evaluate(self.where) > 0
        lengths = sum_by_jet(chosen, points.lengths).astype(np.int64)
        value = points.evaluate(self.value)
        return points["eta"][chosen], points["phi"][chosen], value[chosen], lengths


def _points(events: ak.Array, prefix: str) -> Points:
    """Return the objects of a group, which may be one per event, as a lepton."""
    members = set(find_group(prefix, events.fields).members.values())
    lists = {
        name: events[name][:, np.newaxis]
        if name in members and events[name].ndim == 1
        else events[name]
        for name in events.fields
    }
    return Points(ak.zip(lists, depth_limit=1), prefix)
