"""Overlapping showers: single showers of another source, moved by whole cells and added.

Showers in matter do not influence each other, so that the sum of single showers is an event of
several. A shower is moved in x and y by a whole number of cells, where the detector looks the same;
what it loses at the edge of the detector is lost at its original place. Each hit has the energy of
each shower. Noise and digitisation are left out, but for a threshold.

The single showers are divided into groups, and an event is made of showers of one group alone: with
a split by the column `shower_group` no shower is in two sets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest, one_of, shorten
from bunchtrain.parts.ranges import NUMBER, Sampled, Seed
from bunchtrain.simulation._seeded_parts import SeededParts
from bunchtrain.simulation.detectors.beam import Counts
from bunchtrain.simulation.detectors.hits import LAYOUT as SINGLE
from bunchtrain.simulation.detectors.hits import UNITS, find_runs, sum_runs
from bunchtrain.simulation.detectors.layers import Length
from bunchtrain.tables.table import Table

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
#: Events that are generated with one seed.
PART = 100
LAYOUT = {
    **{name: kind for name, kind in SINGLE.items() if name not in ("deposited", "hit_cell")},
    "particle_nearest": "var * float32",
    "separation": "float32",
    "shower_group": "int64",
}
#: Columns of the single showers, one value for each particle or hit.
OF_PARTICLES = ("pdg", "energy", "x", "y", "z", "theta", "phi")
OF_HITS = ("layer", "x", "y", "z", "energy", "time")
Threshold = Annotated[float, Field(ge=0, le=100), NUMBER]
Groups = Annotated[int, Field(ge=1, le=1000), NUMBER]


@dataclass(frozen=True)
class Single:
    """Single showers, one after the other.

    particle  column without its prefix → (showers,).
    hit       column → (hits,); `column` and `row` number the cells along x and y.
    first     (showers + 1,) index of the first hit of each shower.
    """

    particle: Mapping[str, NDArray[Any]]
    hit: Mapping[str, NDArray[Any]]
    first: Ints


class OverlaidShowers(SeededParts):
    """Events of several showers, overlaid from single showers of another source.

    The columns are those of `geant4_calorimeter` without `deposited` and `hit_cell`;
    `particle_visible` is the energy of the shower in the hits. Besides, `separation` is the
    distance of the first two axes in mm, for showers at the same place in their cells,
    `particle_nearest` that of each axis to the nearest other one, 0 without one, and `shower_group`
    the group of single showers of which an event is made. The single showers are held in memory.

    showers      Source of single showers with the columns of `geant4_calorimeter`, such as
                 {name: geant4_calorimeter, particles: [pi-], energy: [20.0], ...}, one particle an
                 event, in layers with square cells of one size.
    events       Number of events.
    count        Number of showers in an event; two numbers are the ends of a range.
    separations  Distances of two showers in mm, whole cells, each equally often: they lie along x
                 or y at random, around the origin.
    spread       Showers that have no separation lie at x and y from −spread to spread, in mm.
    threshold    Smallest energy of a hit in GeV.
    groups       Number of groups of single showers.
    seed         Of the random numbers.
    """

    name = "overlaid_showers"
    part = PART
    layout = LAYOUT

    def __init__(
        self,
        *,
        showers: dict[str, Any] | str,
        events: Sampled = 1000,
        count: Counts = (2,),
        separations: tuple[Length, ...] = (),
        spread: Length = 300.0,
        threshold: Threshold = 0.0,
        groups: Groups = 10,
        seed: Seed = 1,
    ) -> None:
        given = {"name": showers} if isinstance(showers, str) else dict(showers)
        if not isinstance(given.get("name"), str):
            raise StudyError(f"source.showers: give a source by its 'name', got {shorten(showers)}")
        name = given.pop("name")
        self.showers: Table = parts.build("source", name, given, where="source.showers")
        if separations and tuple(count) not in ((2,), (2, 2)):
            raise StudyError(f"{self.name}: separations are of two showers, and count is {count}")
        self.events, self.count, self.separations = events, count, separations
        self.spread, self.threshold, self.groups, self.seed = spread, threshold, groups, seed
        self._require_columns()
        self.cell = self._cell()
        for distance in separations:
            if abs(distance / self.cell - round(distance / self.cell)) > 1e-6:
                raise StudyError(
                    f"{self.name}: separations must be whole cells of {self.cell:g} mm, got "
                    f"{distance:g}"
                )

    def _require_columns(self) -> None:
        known = self.showers.fields()
        needed = [f"particle_{one}" for one in OF_PARTICLES] + [f"hit_{one}" for one in OF_HITS]
        for column in needed:
            if column not in known:
                hint = nearest(column, known) or f"; it has {one_of(known)}"
                raise StudyError(f"source.showers: there is no column '{column}'{hint}")

    def _cell(self) -> float:
        """Return the size of the cells in mm."""
        geometry = self.showers.conditions.get("geometry")
        if geometry is None:
            raise StudyError("source.showers: the source has no geometry; choose a calorimeter")
        table = ak.concatenate(list(geometry.blocks(["shape", "cell"], 1000)))
        found = {(str(s), float(c)) for s, c in zip(table["shape"], table["cell"], strict=True)}
        if len(found) > 1 or next(iter(found))[0] != "square":
            raise StudyError(
                "source.showers: showers are moved by whole cells, so that all layers need square "
                "cells of one size"
            )
        return next(iter(found))[1]

    @property
    def is_prepared(self) -> bool:
        """Whether the single showers can be read at once."""
        return self.showers.is_prepared

    def prepare(self) -> None:
        """Simulate the single showers that are missing."""
        self.showers.prepare()

    def fingerprint(self) -> str:
        """Return a text that changes with the options and with the single showers."""
        options = (self.events, self.count, self.separations, self.spread, self.threshold)
        return f"{self.name} 2 {self.showers.fingerprint()} {(*options, self.groups, self.seed)}"

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return {n: u for n, u in UNITS.items() if n in LAYOUT} | {
            "separation": "mm",
            "particle_nearest": "mm",
        }

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The conditions of the single showers, among them the geometry."""
        return self.showers.conditions

    @property
    def note(self) -> str:
        """What the single showers were made with."""
        return self.showers.note

    @cached_property
    def single(self) -> Single:
        """The single showers."""
        names = [f"particle_{n}" for n in OF_PARTICLES] + [f"hit_{n}" for n in OF_HITS]
        events = ak.concatenate(list(self.showers.blocks(names, 1000)))
        if (wrong := np.flatnonzero(ak.to_numpy(ak.num(events["particle_x"])) != 1)).size:
            raise DataError(
                f"{self.name}: {self.showers.place(int(wrong[0]))} of the showers has "
                f"{ak.num(events['particle_x'])[wrong[0]]} particles; each must have one"
            )
        if len(events) // self.groups < self.count[-1]:
            raise StudyError(
                f"{self.name}: {len(events)} showers in {self.groups} groups are too few for "
                f"{self.count[-1]} in an event; simulate more, or choose fewer groups"
            )
        hit = {n: ak.to_numpy(ak.flatten(events[f"hit_{n}"])) for n in OF_HITS}
        for axis, name in (("x", "column"), ("y", "row")):
            phase = (hit[axis][0] / self.cell) % 1 if len(hit[axis]) else 0.0
            hit[name] = np.round(hit[axis] / self.cell - phase).astype(np.int64)
        particle = {n: ak.to_numpy(events[f"particle_{n}"][:, 0]) for n in OF_PARTICLES}
        first = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(events["hit_x"])))])
        return Single(particle, hit, first)

    def generate(self, part: int) -> ak.Array:
        """Return the events of a part."""
        random, single = np.random.default_rng([self.seed, part]), self.single
        group = (part * PART + np.arange(PART)) % self.groups
        counts = random.integers(self.count[0], self.count[-1] + 1, PART)
        size = len(single.first) - 1
        edges = np.arange(self.groups + 1) * size // self.groups
        shower = np.concatenate(
            [
                edges[g] + random.choice(edges[g + 1] - edges[g], n, replace=False)
                for g, n in zip(group, counts, strict=True)
            ]
        )
        column, row, separation = self._places(counts, part, random)
        found = self._hits(shower, counts, column, row)
        own = {n: values[shower] for n, values in single.particle.items()}
        own["x"], own["y"] = own["x"] + column * self.cell, own["y"] + row * self.cell
        own["nearest"] = _nearest(own["x"], own["y"], counts)
        found |= {f"particle_{n}": ak.unflatten(v, counts) for n, v in own.items()}
        found |= {"event_id": part * PART + np.arange(PART), "shower_group": group}
        found["separation"] = separation
        cast = {n: ak.values_astype(found[n], LAYOUT[n].rpartition(" ")[2]) for n in LAYOUT}
        return ak.zip(cast, depth_limit=1)

    def _places(
        self, counts: Ints, part: int, random: np.random.Generator
    ) -> tuple[Ints, Ints, Floats]:
        """Return by how many cells each shower is moved along x and y, and the separation."""
        showers = int(counts.sum())
        if not self.separations:
            reach = int(self.spread // self.cell)
            column, row = random.integers(-reach, reach + 1, (2, showers))
            first = np.cumsum(counts) - counts
            second = np.minimum(first + 1, first + counts - 1)
            apart = np.hypot(column[second] - column[first], row[second] - row[first])
            return column, row, np.where(counts > 1, apart * self.cell, 0.0)
        # Groups are taken in turn, so that each separation comes once in a round of them.
        index = (part * PART + np.arange(PART)) // self.groups % len(self.separations)
        separation = np.array(self.separations)[index]
        cells = np.round(separation / self.cell).astype(np.int64)
        sign = random.choice([-1, 1], PART)
        ends = np.stack([-(cells // 2), cells - cells // 2], 1) * sign[:, None]
        along_x = random.random(PART) < 0.5
        column = np.where(along_x[:, None], ends, 0).ravel()
        return column, np.where(along_x[:, None], 0, ends).ravel(), separation

    def _hits(self, shower: Ints, counts: Ints, column: Ints, row: Ints) -> dict[str, ak.Array]:
        """Return the columns of hits, and the energy of each shower in them."""
        hit, first = self.single.hit, self.single.first
        sizes = (first[1:] - first[:-1])[shower]
        of = np.repeat(np.arange(len(shower)), sizes)  # shower in this part of each deposit
        index = np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes) + first[shower][of]
        event = np.repeat(np.arange(len(counts)), counts)
        own = np.arange(len(shower)) - (np.cumsum(counts) - counts)[event]
        keys = [event[of], hit["layer"][index], hit["row"][index] + row[of]]
        keys.append(hit["column"][index] + column[of])
        order = np.lexsort((own[of], *keys[::-1]))
        start, cell = find_runs(*(key[order] for key in keys))
        energy = hit["energy"][index][order].astype(np.float64)
        kept = sum_runs(energy, start) >= self.threshold
        order, energy, cell = order[kept[cell]], energy[kept[cell]], cell[kept[cell]]
        start, cell = find_runs(cell)
        size = np.bincount(cell, minlength=len(start))
        main = np.lexsort((-energy, cell))[start]
        source, mover = index[order], of[order]
        number = np.bincount(keys[0][order][start], minlength=len(counts))
        found = {
            "layer": hit["layer"][source[start]],
            "x": hit["x"][source[start]] + column[mover[start]] * self.cell,
            "y": hit["y"][source[start]] + row[mover[start]] * self.cell,
            "z": hit["z"][source[start]],
            "energy": sum_runs(energy, start),
            "time": hit["time"][source[main]],
            "particle": own[mover[main]],
        }
        columns = {f"hit_{n}": ak.unflatten(v, number) for n, v in found.items()}
        visible = np.bincount(mover, energy, len(shower))
        columns["particle_visible"] = ak.unflatten(visible, counts)
        for name, values in (("particle", own[mover]), ("energy", energy)):
            columns[f"hit_deposit_{name}"] = ak.unflatten(ak.unflatten(values, size), number)
        return columns


def _nearest(x: Floats, y: Floats, counts: Ints) -> Floats:
    """Return the distance of each axis to the nearest other one of its event, 0 without one.

    x, y    (showers,) of the axes.
    counts  (events,) showers of each event.
    """
    found, first = np.zeros(len(x)), 0
    for number in counts.tolist():
        own = slice(first, first + number)
        apart = np.hypot(x[own, None] - x[own], y[own, None] - y[own])
        np.fill_diagonal(apart, np.inf)
        found[own] = apart.min(1) if number > 1 else 0.0
        first += number
    return found
