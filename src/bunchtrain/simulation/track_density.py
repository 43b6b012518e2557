"""Events with the density of their tracks along the beam in bins, and the true one of vertices.

It is made of the events of another source with tracks, such as `acts_events`. The true density has
a Gaussian of area 1 for each collision that at least `least` tracks of its own primary particles
belong to, as wide as the mean of the places of these tracks is uncertain.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest, one_of, shorten
from bunchtrain.parts.ranges import NUMBER, Bins, PointCount
from bunchtrain.simulation.detectors.density import CHANNELS, track_density, vertex_density
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Columns of the source that are read for the tracks, and for the truth.
TRACKS = ("track_d0", "track_z0", "track_theta", "track_qop", "track_covariance")
TRUTH = ("track_particle", "particle_collision", "particle_primary", "collision_z")
#: Places of the variances of d0 and z0 in the lower triangle of the covariance.
D0, Z0 = 0, 2
OF_TRACKS = {"bin_z": "var * float32", **{f"bin_{n}": "var * float32" for n in CHANNELS}}
OF_TRUTH = {
    "bin_vertices": "var * float32",
    "track_collision": "var * int64",
    "collision_tracks": "var * int64",
}
Millimetre = Annotated[float, Field(gt=0, le=10), NUMBER]
Half = Annotated[float, Field(gt=0, le=2000), NUMBER]


class TrackDensity(Transform):
    """Density of tracks along the beam in bins, beside the columns of a source with tracks.

    `bin_z` is the middle of each bin in mm and `bin_*` its content, with the probability P of a
    track to come from it and the weight w = exp(−s²/2) of the significance s of d0: `tracks` Σ w P,
    `squares` Σ w P², `compatible` Σ w exp(−δ²/2) with the distance δ in standard deviations,
    `momentum` Σ w P min(pT, 10 GeV), `displaced` Σ (1 − w) P. With truth, `bin_vertices` is the
    expected number of vertices, `track_collision` the collision of the primary particle of a track,
    −1 for none, and `collision_tracks` the number of these tracks of a collision.

    tracks     Source with the columns of `acts_events`, such as {name: acts_events, pile_up: 40};
               those of collisions and particles may be missing.
    half       Largest |z| of the bins in mm.
    width      Width of the bins in mm.
    least      Smallest number of tracks of a collision that is a vertex.
    narrowest  Smallest standard deviation of a true vertex in mm.
    widest     Largest one.

    arXiv:2007.01023
    """

    name = "track_density"

    def __init__(
        self,
        *,
        tracks: dict[str, Any] | str,
        half: Half = 204.8,
        width: Millimetre = 0.1,
        least: PointCount = 2,
        narrowest: Millimetre = 0.1,
        widest: Millimetre = 0.3,
    ) -> None:
        given = {"name": tracks} if isinstance(tracks, str) else dict(tracks)
        if not isinstance(given.get("name"), str):
            raise StudyError(f"source.tracks: give a source by its 'name', got {shorten(tracks)}")
        source: Table = parts.build("source", given.pop("name"), given, where="source.tracks")
        super().__init__(source)
        known = source.fields()
        for column in TRACKS:
            if column not in known:
                hint = nearest(column, known) or f"; it has {one_of(known)}"
                raise StudyError(f"source.tracks: there is no column '{column}'{hint}")
        if narrowest > widest:
            raise StudyError(f"{self.name}: narrowest must not be above widest")
        self.bins: Bins = round(2 * half / width)
        if not 1 <= self.bins <= 100_000 or abs(self.bins * width - 2 * half) > 1e-6 * half:
            raise StudyError(
                f"{self.name}: 'half' must be at most 50,000 times 'width', and twice of it a "
                "multiple of it"
            )
        self.half, self.width, self.least = half, width, least
        self.narrowest, self.widest = narrowest, widest
        self.has_truth = all(column in known for column in TRUTH)

    def describe(self) -> str:
        """Return the options as text."""
        options = (self.half, self.width, self.least, self.narrowest, self.widest)
        return f"{self.name} 1 {options}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return {**self.source.fields(), **OF_TRACKS, **(OF_TRUTH if self.has_truth else {})}

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return {**self.source.units(), "bin_z": "mm"}

    @property
    def entries(self) -> int | None:
        """The number of events, None if that of the source is unknown."""
        return self.source.entries

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events with these columns."""
        made = {*OF_TRACKS, *(OF_TRUTH if self.has_truth else ())}
        needed = [name for name in columns if name not in made]
        wanted = [name for name in columns if name in made]
        needed += [*TRACKS, *(TRUTH if self.has_truth else ())] if wanted else []
        first = 0
        for block in self.source.blocks(list(dict.fromkeys(needed)), rows):
            found = {name: block[name] for name in block.fields}
            if wanted:
                found |= self._columns(block, first, wanted)
            first += len(block)
            yield ak.zip(found, depth_limit=1)[list(columns)]

    def _columns(self, block: ak.Array, first: int, wanted: Collection[str]) -> dict[str, ak.Array]:
        """Return the columns that are added; `first` is the index of the first event."""
        counts = ak.to_numpy(ak.num(block["track_z0"]))
        event = np.repeat(np.arange(len(block)), counts)
        tracks = self._tracks(block, counts, first)
        grid = (-self.half, self.width, self.bins)
        weight = np.exp(-0.5 * tracks["d0"] ** 2 / tracks["d0_variance"])
        pt = np.abs(np.sin(tracks["theta"]) / tracks["qop"])
        sigma = np.sqrt(tracks["z0_variance"])
        kernels = track_density(event, tracks["z0"], sigma, weight, pt, len(block), grid)
        middle = -self.half + self.width * (np.arange(self.bins) + 0.5)
        found = {f"bin_{name}": kernels[..., k] for k, name in enumerate(CHANNELS)}
        found["bin_z"] = np.tile(middle, (len(block), 1))
        lists = {n: ak.from_regular(ak.from_numpy(v.astype(np.float32))) for n, v in found.items()}
        if self.has_truth:
            lists |= self._truth(block, event, counts, tracks)
        return {name: lists[name] for name in wanted}

    def _tracks(self, block: ak.Array, counts: Ints, first: int) -> dict[str, Floats]:
        """Return parameters and variances of all tracks.

        Raises DataError, with event and track, for values that are not finite and variances that
        are not positive.
        """
        covariance = np.asarray(ak.flatten(block["track_covariance"]), np.float64).reshape(-1, 15)
        found = {n: _flat(block[f"track_{n}"]) for n in ("d0", "z0", "theta", "qop")}
        found |= {"d0_variance": covariance[:, D0], "z0_variance": covariance[:, Z0]}
        for name, values in found.items():
            is_variance = name.endswith("variance")
            wrong = ~np.isfinite(values) | (is_variance & (values <= 0))
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                event = int(np.searchsorted(np.cumsum(counts), at, side="right"))
                track = at - int(counts[:event].sum())
                what = f"variance of {name[:2]}" if is_variance else name
                must = "positive" if is_variance else "a finite number"
                raise DataError(
                    f"{self.name}: the {what} of track {track} of event "
                    f"{first + event} is {values[at]:g} and must be {must}; remove such tracks"
                )
        return found

    def _truth(
        self, block: ak.Array, event: Ints, counts: Ints, tracks: dict[str, Floats]
    ) -> dict[str, ak.Array]:
        """Return the true density, the collision of each track and the tracks of each collision."""
        particle = block["track_particle"]
        padded = ak.where(particle < 0, 0, particle)
        has = ak.to_numpy(ak.flatten(particle)) >= 0
        collision, primary = (
            _ints(ak.fill_none(ak.pad_none(block[f"particle_{n}"], 1), -1)[padded])
            for n in ("collision", "primary")
        )
        collision = np.where(has & (primary == 1), collision, -1)
        number = ak.to_numpy(ak.num(block["collision_z"]))
        start, own = np.cumsum(number) - number, collision >= 0
        of = start[event[own]] + collision[own]
        size = np.bincount(of, minlength=number.sum())
        precision = np.bincount(of, 1 / tracks["z0_variance"][own], number.sum())
        is_vertex = size >= self.least
        sigma = 1 / np.sqrt(precision[is_vertex])
        sigma = np.clip(sigma, self.narrowest, self.widest)
        owner = np.repeat(np.arange(len(block)), number)[is_vertex]
        z = _flat(block["collision_z"])[is_vertex]
        grid = (-self.half, self.width, self.bins)
        density = vertex_density(owner, z, sigma, len(block), grid).astype(np.float32)
        return {
            "bin_vertices": ak.from_regular(ak.from_numpy(density)),
            "track_collision": ak.unflatten(collision, counts),
            "collision_tracks": ak.unflatten(size, number),
        }


def _flat(values: ak.Array) -> Floats:
    return np.asarray(ak.flatten(values), np.float64)


def _ints(values: ak.Array) -> Ints:
    return np.asarray(ak.flatten(values), np.int64)
