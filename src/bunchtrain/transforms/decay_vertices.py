"""Decay points of the tracks of displaced vertices, one row each, with a classical fit of them.

Charged particles that begin at one point away from the beam are a vertex: decays of hadrons with
b, c and s quarks. Its tracks are those of these particles, so that to find it is not part of the
problem, but its place is. Places are in the frame of the momentum of the tracks in the transverse
plane, l along it, t across it (l, t and z right-handed) and z along the beam, relative to the fit
and in its standard deviations.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import DataError
from bunchtrain.parts.ranges import NUMBER, PointCount, Positive
from bunchtrain.physics.packed import flat_values, starts
from bunchtrain.physics.vertex_fit import (
    covariance_at,
    fit_vertices,
    impact_parameters,
)
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform, need_columns
from bunchtrain.transforms._track_vertices import flat_covariance

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
AXES = ("l", "t", "z")
PAIRS = (("l", "t"), ("l", "z"), ("t", "z"))
OF_ROWS = ("radius", "fit_radius", "chi2", "pt")
OF_TRACKS = (
    *("dphi", "eta", "log_pt", "charge", "d", "dz", "log_sigma_d", "log_sigma_z"),
    *("across", "log_radius", "log_chi2", *(f"{a}_{b}" for a, b in PAIRS)),
)
LAYOUT = {
    **dict.fromkeys(("event_id", "tracks"), "int64"),
    **dict.fromkeys(OF_ROWS, "float32"),
    **{f"{kind}_{axis}": "float32" for kind in ("decay", "fit", "width") for axis in AXES},
    **{f"fit_{axis}_sigma": "float32" for axis in AXES},
    **{f"fit_{a}_{b}_correlation": "float32" for a, b in PAIRS},
    **{f"track_{name}": "var * float32" for name in OF_TRACKS},
}
PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
READ = (
    *(f"particle_{name}" for name in ("x", "y", "z", "primary")),
    "event_id",
)
#: Points closer than this in mm are one.
SAME = 1e-3
Distance = Annotated[float, Field(ge=0, le=1000), NUMBER]
Tesla = Annotated[float, Field(ge=0.1, le=10), NUMBER]


class DecayVertices(Transform):
    """Displaced vertices of tracks, one row each, with the classical fit of their place.

    Columns: `decay_l`, `decay_t`, `decay_z`, the true place less the fitted one, divided by the
    error of the fit, which is `width_*` in mm; `fit_*`, the fit itself in the same units: 0, with
    `fit_*_sigma` 1 and the correlations; `radius` and `fit_radius` from the beam in mm, `chi2` for
    a degree of freedom, `pt` of the sum of the tracks in GeV, `tracks`, their number. For each
    track `track_dphi` to the sum, `eta`, `log_pt`, `charge`, impact parameters `d` and `dz` at the
    fitted place in units of their errors, whose logarithms are `log_sigma_d` and `log_sigma_z`;
    of all tracks the same, `across`, the fitted place across the sum in units of its error,
    `log_radius`, `log_chi2` and the correlations `l_t`, `l_z` and `t_z`.

    tracks    Prefix of the parameters of the tracks, with covariance and particle.
    closest   Smallest distance of the true place from the beam in mm.
    furthest  Largest one.
    least     Smallest number of tracks.
    chi2_max  Largest χ² of the fit for a degree of freedom.
    field     Magnetic field in tesla.

    Raises DataError for a table without these columns.
    """

    def __init__(
        self,
        source: Table,
        *,
        tracks: str = "track",
        closest: Distance = 0.2,
        furthest: Distance = 30.0,
        least: PointCount = 2,
        chi2_max: Positive = 10.0,
        field: Tesla = 2.0,
    ) -> None:
        super().__init__(source)
        self.group, self.closest, self.furthest = tracks, closest, furthest
        self.least, self.chi2_max, self.field = max(least, 2), chi2_max, field
        self.names = [f"{tracks}_{name}" for name in (*PARAMETERS, "covariance", "particle")]
        need_columns((*READ, *self.names), source.fields(), "transform 'decay_vertices'")

    def describe(self) -> str:
        """Return the transform with its options as text."""
        options = (self.group, self.closest, self.furthest, self.least, self.chi2_max, self.field)
        return f"decay_vertices 1 {options}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(LAYOUT)

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        lengths = ("radius", "fit_radius", *(f"width_{axis}" for axis in AXES))
        return dict.fromkeys(lengths, "mm") | {"pt": "GeV"}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the vertices in the order of the events."""
        for block in self.source.blocks([*READ, *self.names], rows):
            made = self._rows(block)
            found = {n: ak.values_astype(made[n], LAYOUT[n].rpartition(" ")[2]) for n in columns}
            yield ak.zip(found, depth_limit=1)

    def _rows(self, block: ak.Array) -> dict[str, ak.Array]:
        """Return the columns of all vertices of events."""
        particle = ak.values_astype(block[self.names[-1]], np.int64)
        event = np.repeat(np.arange(len(block)), ak.to_numpy(ak.num(particle)))
        counts = ak.to_numpy(ak.num(block["particle_x"]))
        own = starts(counts)[event] + ak.to_numpy(ak.flatten(particle))
        known = ak.to_numpy(ak.flatten(particle)) >= 0
        if (wrong := np.flatnonzero(ak.to_numpy(ak.flatten(particle)) >= counts[event])).size:
            own_event = event[wrong[0]]
            raise DataError(
                f"transform 'decay_vertices': a track of event {own_event} of a block has the "
                f"particle {ak.flatten(particle)[int(wrong[0])]} in '{self.names[-1]}', and the "
                f"event has {counts[own_event]} particles, which count from 0"
            )
        origin = np.stack([flat_values(block[f"particle_{axis}"]) for axis in "xyz"], 1)
        primary = flat_values(block["particle_primary"]) == 1
        place = origin[np.where(known, own, 0)] if len(origin) else np.zeros((len(own), 3))
        radius = np.hypot(place[:, 0], place[:, 1])
        kept = known & (radius >= self.closest) & (radius <= self.furthest)
        kept[kept] &= primary[own[kept]]
        parameters = np.stack([flat_values(block[n]) for n in self.names[:5]], 1)
        covariance = flat_covariance(block[self.names[5]], len(parameters))
        kept &= _are_helices(parameters) & np.isfinite(covariance).all((1, 2))
        kept[kept] = (np.linalg.eigvalsh(covariance[kept]) > 0).all(1)
        key = np.column_stack([event[kept], np.round(place[kept] / SAME).astype(np.int64)])
        _, vertex, size = np.unique(key, axis=0, return_inverse=True, return_counts=True)
        enough = size[vertex.ravel()] >= self.least
        chosen = np.flatnonzero(kept)[enough]
        _, vertex = np.unique(vertex.ravel()[enough], return_inverse=True)
        order = np.argsort(vertex, kind="stable")
        chosen, vertex = chosen[order], vertex[order]
        event_id = ak.to_numpy(block["event_id"])[event[chosen]]
        return self._columns(
            parameters[chosen], covariance[chosen], vertex, place[chosen], event_id
        )

    def _columns(
        self, parameters: Floats, covariance: Floats, vertex: Ints, place: Floats, event_id: Ints
    ) -> dict[str, ak.Array]:
        """Return the columns of vertices from their tracks, in the order of the vertices."""
        first = np.flatnonzero(np.diff(vertex, prepend=-1))
        start = np.zeros((len(first), 3))
        start[:, 2] = np.bincount(vertex, parameters[:, 1]) / np.bincount(vertex)
        made = fit_vertices(parameters, covariance, vertex, start, self.field, cut=np.inf)
        with np.errstate(invalid="ignore", divide="ignore"):
            chi2 = made.chi2 / made.degrees
        good = np.isfinite(made.position).all(1) & (chi2 <= self.chi2_max)
        good &= np.hypot(made.position[:, 0], made.position[:, 1]) <= 2 * self.furthest
        index = np.cumsum(good) - 1
        on = good[vertex]
        parameters, covariance, vertex = parameters[on], covariance[on], index[vertex[on]]
        first = first[good]
        position, error = made.position[good], made.covariance[good]
        at = position[vertex]
        theta, qop = parameters[:, 3], parameters[:, 4]
        pt = np.sin(theta) / np.abs(qop)
        sums = [np.bincount(vertex, pt * f(parameters[:, 2]), len(first)) for f in (np.cos, np.sin)]
        angle = np.arctan2(sums[1], sums[0])
        turn = np.zeros((len(first), 3, 3))
        turn[:, 0, 0], turn[:, 0, 1] = np.cos(angle), np.sin(angle)
        turn[:, 1, 0], turn[:, 1, 1] = -np.sin(angle), np.cos(angle)
        turn[:, 2, 2] = 1.0
        error = turn @ error @ turn.transpose(0, 2, 1)
        width = np.sqrt(np.einsum("vii->vi", error))
        away = (turn @ (place[first] - position)[..., None])[..., 0] / width
        found: dict[str, Floats] = {f"decay_{axis}": away[:, k] for k, axis in enumerate(AXES)}
        found |= {f"fit_{axis}": np.zeros(len(first)) for axis in AXES}
        found |= {f"fit_{axis}_sigma": np.ones(len(first)) for axis in AXES}
        found |= {f"width_{axis}": width[:, k] for k, axis in enumerate(AXES)}
        for a, b in ((0, 1), (0, 2), (1, 2)):
            value = error[:, a, b] / (width[:, a] * width[:, b])
            found[f"fit_{AXES[a]}_{AXES[b]}_correlation"] = value
        radius = np.hypot(position[:, 0], position[:, 1])
        found |= {"radius": np.hypot(place[first, 0], place[first, 1]), "fit_radius": radius}
        found |= {"chi2": chi2[good], "pt": np.hypot(*sums)}
        across = (turn @ position[..., None])[:, 1, 0] / width[:, 1]
        of = self._of_tracks(parameters, covariance, at)
        of["dphi"] = np.mod(parameters[:, 2] - angle[vertex] + np.pi, 2 * np.pi) - np.pi
        of |= {"across": across[vertex], "log_radius": np.log(radius[vertex] + 0.1)}
        of["log_chi2"] = np.log(chi2[good][vertex] + 0.1)
        of |= {f"{a}_{b}": found[f"fit_{a}_{b}_correlation"][vertex] for a, b in PAIRS}
        size = np.bincount(vertex, minlength=len(first))
        lists = {f"track_{name}": ak.unflatten(values, size) for name, values in of.items()}
        numbers = {"tracks": size, "event_id": event_id[first]}
        return {n: ak.Array(v) for n, v in (found | numbers).items()} | lists

    def _of_tracks(self, parameters: Floats, covariance: Floats, at: Floats) -> dict[str, Floats]:
        """Return columns of tracks, (tracks,), at the places that were fitted to them."""
        q = impact_parameters(parameters, at, self.field)[0]
        sigma = np.sqrt(np.einsum("tii->ti", covariance_at(parameters, covariance, at, self.field)))
        theta, qop = parameters[:, 3], parameters[:, 4]
        return {
            "eta": -np.log(np.tan(theta / 2)),
            "log_pt": np.log(np.sin(theta) / np.abs(qop)),
            "charge": np.sign(qop),
            "d": q[:, 0] / sigma[:, 0],
            "dz": q[:, 1] / sigma[:, 1],
            "log_sigma_d": np.log(sigma[:, 0]),
            "log_sigma_z": np.log(sigma[:, 1]),
        }


def _are_helices(parameters: Floats) -> NDArray[np.bool_]:
    """Return whether parameters (tracks, 5) are finite, with θ between 0 and π and a charge."""
    theta, qop = parameters[:, 3], parameters[:, 4]
    finite = np.isfinite(parameters).all(1)
    return np.asarray(finite & (theta > 0) & (theta < np.pi) & (qop != 0))
