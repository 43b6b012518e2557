"""Graphs of hits: edges between modules that follow each other on the paths of particles."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.batch import Array
from bunchtrain.errors import DataError, StudyError
from bunchtrain.parts.ranges import NUMBER, Finite, NonNegative, PointCount, Whole
from bunchtrain.physics.doublets import COLUMNS, RANGES, Hits, ModuleRanges, find_edges
from bunchtrain.physics.module_ranges import TruePairs, fit_ranges
from bunchtrain.physics.packed import Floats, Ints
from bunchtrain.representations._edges import EdgePoints
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations._representation import FittedRepresentation
from bunchtrain.representations.preprocessing.points import Points, entry_of
from bunchtrain.tables.expressions.expression import Expression

#: Fraction of values that is left out on one side.
Tail = Annotated[float, Field(ge=0, le=0.1), NUMBER]
EdgeCount = Annotated[int, Field(ge=1, le=10**9), NUMBER]
Coordinates = Annotated[list[str], Field(min_length=3, max_length=3)]
Pairs = list[Annotated[list[Whole], Field(min_length=2, max_length=2)]]
Ranges = list[Annotated[list[Finite], Field(min_length=len(RANGES), max_length=len(RANGES))]]
#: Whole numbers from here on are not exact in single precision.
_EXACT = 2**24
#: Of fewer hits than this, most may be in modules that the map does not have.
_FEW = 20


class ModuleMap(EdgePoints, FittedRepresentation):
    """Hits with edges that a map of modules allows, fitted to the training events.

    The map has the pairs of modules in which particles leave consecutive hits, and for each pair
    the ranges of Δφ, of the distance of the line of both hits from the middle of the detector and
    of its polar angle, and, of a pair of hits with one that continues it, of the curvature across
    the beam and of the change of the polar angle. An edge goes from inside to outside, and is kept
    if another edge continues it or if its hits are in overlapping modules. In `edge_features`,
    `inside` and `outside` are the numbers of edges that continue it on either side, and of the
    best of these `inside_kink` and `outside_kink` are the changes of the polar angle in half widths
    of their range, `inside_bend` and `outside_bend` the curvatures in 1/m, and `bend_step` is the
    difference of these in units of 0.05/m + 0.1 |κ|.

    module       Expression of a whole number of the module of a hit, below 2²⁴; modules around the
                 beam that are alike may share one, which needs fewer events.
    coordinates  Expressions of x, y, z in mm, z along the beam.
    particle     Expression of the particle of a hit, negative for none; read by the fit alone.
    path         Expression that rises along the path of a particle; read by the fit alone.
    fit_where    Condition on the hits that the fit uses, such as the pT of their particle.
    overlap      Largest distance in mm of hits in overlapping modules.
    tail         Fraction of true pairs that a range leaves out on either side.
    margin       Widening of a range on either side, in its width divided by √(pairs).
    least        Smallest number of true pairs of a pair of modules.
    max_edges    Largest number of pairs of hits of an event, before those without a continuation
                 are left out.
    modules      Pairs of modules; those of the training events if unset.
    ranges       Of each pair; those of the training events if unset.

    arXiv:2103.00916
    """

    made_columns = COLUMNS

    def __init__(
        self,
        *,
        group: str,
        features: list[str],
        module: str,
        coordinates: Coordinates = ["x", "y", "z"],  # noqa: B006 - never changed
        particle: str = "particle",
        path: str = "true_time",
        fit_where: str | None = None,
        overlap: NonNegative = 20.0,
        tail: Tail = 0.0005,
        margin: NonNegative = 1.0,
        least: PointCount = 2,
        max_points: PointCount = 100_000,
        max_edges: EdgeCount = 3_000_000,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        edge_features: list[str] | None = None,
        edge_where: str | None = None,
        modules: Pairs | None = None,
        ranges: Ranges | None = None,
    ) -> None:
        super().__init__(
            group, features, max_points, None, None, where, globals, normalise, coordinates,
            edge_features, edge_where,
        )  # fmt: skip
        self.module, self.overlap, self.max_edges = Expression(module), overlap, max_edges
        self.truth = [Expression(particle), Expression(path)]
        self.fit_where = None if fit_where is None else Expression(fit_where)
        self.tail, self.margin, self.least = tail, margin, least
        if len(modules or []) != len(ranges or []) or (modules is None) != (ranges is None):
            raise StudyError(
                f"there are {len(modules or []):,} 'modules' and {len(ranges or []):,} 'ranges'; "
                "give one of the other, or none for those of the training events"
            )
        pairs = np.array(modules or [], np.int64).reshape(-1, 2)
        self.known, index = np.unique(pairs, return_inverse=True)
        first, second = index.reshape(-1, 2).T
        order = np.lexsort((second, first))
        values = np.array(ranges or [], np.float64).reshape(-1, len(RANGES))
        self.map = ModuleRanges(first[order], second[order], values[order], len(self.known))
        self._is_fitted = modules is not None

    @property
    def is_fitted(self) -> bool:
        """Whether it has the map."""
        return self._is_fitted

    def expressions(self) -> list[Expression]:
        """Return the expressions over points, those of the truth only before the fit."""
        chosen = [] if self.fit_where is None else [self.fit_where]
        truth = [] if self.is_fitted else [*self.truth, *chosen]
        return [*super().expressions(), self.module, *truth]

    def fit(self, blocks: Iterable[ak.Array]) -> dict[str, Any]:
        """Return the options `modules` and `ranges`.

        Raises DataError if no particle has two consecutive hits, or no pair of modules has enough.
        """
        parts: list[tuple[Floats, Ints, Ints, Floats]] = []
        for events in blocks:
            points = self.points(events)
            chosen = self.select_points(points)
            chosen = chosen[np.isfinite(points.table(self.coordinates)[chosen]).all(1)]
            if self.fit_where is not None:
                chosen = chosen[points.evaluate(self.fit_where)[chosen] > 0]
            event = np.repeat(np.arange(len(events)), points.lengths)[chosen]
            columns = (*self._of_hits(points, chosen), *self._truth(points, chosen))
            bounds = np.searchsorted(event, np.arange(len(events) + 1))
            for low, high in itertools.pairwise(bounds):
                parts.append(tuple(column[low:high] for column in columns))  # type: ignore[arg-type]
        known = np.unique(np.concatenate([np.zeros(0, np.int64), *(part[1] for part in parts)]))
        pairs = TruePairs(self.overlap)
        for places, module, particle, path in parts:
            pairs.add(Hits(places, np.searchsorted(known, module)), particle, path)
        if not parts or not sum(map(len, pairs.doublets)):
            raise DataError(
                f"representation 'module_map': no particle of the training events has two hits in "
                f"'{self.group}' that fulfil 'fit_where'; change it, or 'particle'"
            )
        modules, ranges = fit_ranges(
            pairs, len(known), tail=self.tail, margin=self.margin, least=self.least
        )
        if not len(modules):
            raise DataError(
                f"representation 'module_map': no pair of modules has {self.least:,} pairs of hits "
                "of particles in the training events; lower 'least', or use more events"
            )
        return {"modules": known[modules].tolist(), "ranges": np.round(ranges, 7).tolist()}

    def _of_hits(self, points: Points, chosen: Ints) -> tuple[Floats, Ints]:
        """Return places (hits, 3) and modules (hits,) of hits, −2²⁴ for one that is NaN.

        Raises DataError for a number of a module that is not whole, or too large.
        """
        module = points.evaluate(self.module)[chosen]
        is_wrong = (np.abs(module) >= _EXACT) | (module != np.rint(module))
        if wrong := module[is_wrong & ~np.isnan(module)].tolist():
            raise DataError(
                f"representation 'module_map': '{self.module.text}' of a hit is {wrong[0]:.9g}; "
                "the number of a module is whole and below 2²⁴"
            )
        module = np.where(np.isnan(module), -_EXACT, module)
        return points.table(self.coordinates)[chosen], module.astype(np.int64)

    def _truth(self, points: Points, chosen: Ints) -> tuple[Ints, Floats]:
        """Return the particle and the path of hits, (hits,) each.

        Raises DataError for an identifier of a particle that single precision does not hold.
        """
        particle, path = (points.evaluate(one)[chosen] for one in self.truth)
        if wrong := particle[np.abs(particle) >= _EXACT].tolist():
            raise DataError(
                f"representation 'module_map': '{self.truth[0].text}' of a hit is {wrong[0]:.9g}; "
                "the number of a particle must be below 2²⁴, so count those of an event from 0"
            )
        return np.where(np.isnan(particle), -1, particle).astype(np.int64), path

    def edges(
        self, events: ak.Array, points: Points, chosen: Ints, tensors: Mapping[str, Array]
    ) -> tuple[Ints, dict[str, Floats]]:
        """Return the edges that the map allows, and how many continue each on either side.

        Raises DataError for modules that the map does not have, and for too many edges.
        """
        places, number = self._of_hits(points, chosen)
        place = np.minimum(np.searchsorted(self.known, number), max(len(self.known) - 1, 0))
        is_known = self.known[place] == number if len(self.known) else np.zeros(len(place), bool)
        if self.is_fitted and len(place) >= _FEW and is_known.mean() < 0.5:
            raise DataError(
                f"representation 'module_map': {np.sum(~is_known):,} of {len(place):,} hits from "
                f"entry {entry_of(events, 0)} on are in modules that the map does not have; it is "
                "of another detector, or was fitted to too few events"
            )
        module = np.where(is_known, place, -1)
        first, edges = 0, [np.zeros((2, 0), np.int64)]
        columns: list[dict[str, Floats]] = [dict.fromkeys(COLUMNS, np.zeros(0))]
        for row, length in enumerate(tensors["lengths"].tolist()):
            own = slice(first, first + length)
            hits = Hits(places[own], module[own])
            try:
                found, values = find_edges(hits, self.map, self.overlap, self.max_edges)
            except DataError as problem:
                raise DataError(f"entry {entry_of(events, row)}: {problem}") from None
            edges.append(found + first)
            columns.append(values)
            first += length
        joined = {name: np.concatenate([one[name] for one in columns]) for name in COLUMNS}
        return np.concatenate(edges, axis=1), joined
