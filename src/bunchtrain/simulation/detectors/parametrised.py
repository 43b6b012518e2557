"""Spots of parametrised showers in the layers of a detector, for whole parts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from bunchtrain.simulation.detectors.beam import BeamOptions, Primaries, draw_primaries, read_beam
from bunchtrain.simulation.detectors.cells import Cells, Ints
from bunchtrain.simulation.detectors.electromagnetic import (
    Medium,
    draw_profiles,
    draw_radii,
    layer_fractions,
    mean_medium,
    radial_parameters,
)
from bunchtrain.simulation.detectors.hits import LAYOUT, as_table, hit_columns, sum_steps
from bunchtrain.simulation.detectors.layers import Floats, Stack, from_plain

#: Speed of light in mm/ns.
_LIGHT = 299.792458


@dataclass(frozen=True)
class Spots:
    """Points of equal energy in a layer.

    shower  (spots,) index of the incident particle.
    layer   (spots,) index of the layer with cells.
    energy  (spots,) in GeV.
    radius  (spots,) distance to the axis of the shower in mm.
    """

    shower: Ints
    layer: Ints
    energy: Floats
    radius: Floats


class Showers(ABC):
    """Makes parts of a sample by a parametrisation.

    recipe  of the source, as plain data.
    """

    def __init__(self, **recipe: Any) -> None:
        self.recipe: Mapping[str, Any] = recipe
        self.beam: BeamOptions = read_beam(recipe)
        self.stack = Stack(from_plain(recipe["layers"]), recipe["width"], recipe["apex"])
        self.cells, self.medium = Cells(self.stack), mean_medium(self.stack)
        self.visible: float = recipe["visible"] or self.medium.visible

    def __call__(self, index: int) -> pa.Table:
        """Return part `index` of the sample."""
        events = int(self.recipe["part"])
        random = np.random.default_rng([int(self.recipe["seed"]), index])
        primaries = draw_primaries(self.beam, events, random)
        spots = self.spots(primaries, random)
        x, y, z, time = place_spots(spots, primaries, self.stack, random)
        half = self.stack.width / 2
        inside = np.maximum(np.abs(x), np.abs(y)) <= half
        cell = self.cells.index(spots.layer[inside], x[inside], y[inside], z[inside])
        shower, energy = spots.shower[inside], spots.energy[inside]
        made = sum_steps(shower, cell, energy, time[inside])
        columns = hit_columns(primaries, made, self.cells, events, index * events)
        columns["deposited"] = np.bincount(primaries.event[shower], energy, events)
        return as_table(columns, LAYOUT)

    @abstractmethod
    def spots(self, primaries: Primaries, random: np.random.Generator) -> Spots:
        """Return the spots of all showers."""


class ElectromagneticShowers(Showers):
    """Makes parts of a sample by the parametrisation of Grindhammer and Peters."""

    def spots(self, primaries: Primaries, random: np.random.Generator) -> Spots:
        """Return the spots of all showers."""
        edges = self.stack.edges() / primaries.direction[:, 2, None]
        energy, medium = primaries.energy, self.medium
        alpha, beta = draw_profiles(medium, energy, random)
        deposited = energy[:, None] * layer_fractions(alpha, beta, edges)
        sampled = fluctuate(deposited, self.recipe["sampling"], random) * self.visible
        number = spot_numbers(medium, energy, self.recipe["sampling"])
        longer, broader = spot_shape(medium)
        of_spots = alpha * broader, (alpha * broader - 1) * beta / (alpha - 1) / longer
        share = layer_fractions(of_spots[0], np.maximum(of_spots[1], 1e-3), edges)
        shower, layer, per_spot = divide_into_spots(sampled, number[:, None] * share, random)
        depth = (edges[:, 1:] + edges[:, :-1])[shower, layer] / 2
        tau = depth * (beta / alpha)[shower]
        profile = radial_parameters(medium, energy[shower], tau)
        radius = draw_radii(*profile, random) * medium.moliere
        return Spots(shower, layer, per_spot, radius)


def fluctuate(energy: Floats, sampling: float, random: np.random.Generator) -> Floats:
    """Return energies in GeV drawn from a gamma density of mean E and variance c² E.

    sampling  stochastic term c in √GeV; nothing is drawn for 0.
    """
    if not sampling:
        return energy
    scale = sampling**2
    return random.gamma(np.maximum(energy, 0) / scale, scale)


def divide_into_spots(
    energy: Floats, number: Floats, random: np.random.Generator
) -> tuple[Ints, Ints, Floats]:
    """Return shower, layer and energy of the spots, (spots,) each; at least one where is energy.

    energy  of showers in layers in GeV, (showers, layers).
    number  mean number of spots, (showers, layers).
    """
    counts = random.poisson(number)
    counts = np.where(energy > 0, np.maximum(counts, 1), 0)
    shower, layer = (np.repeat(one.ravel(), counts.ravel()) for one in np.indices(counts.shape))
    return shower, layer, (energy / np.maximum(counts, 1))[shower, layer]


def spot_numbers(medium: Medium, energy: Floats, sampling: float) -> Floats:
    """Return the mean number of spots: 93 ln Z E^0.876, or 10.3 E^0.959/c with sampling."""
    if medium.frequency and sampling:
        return 10.3 / sampling * energy**0.959
    return 93 * math.log(medium.number) * energy**0.876


def spot_shape(medium: Medium) -> tuple[float, float]:
    """Return the factors of T and of α for the density of spots."""
    z = medium.number
    if medium.frequency:
        return 0.813 + 0.0019 * z, 0.844 + 0.0026 * z
    return 0.698 + 0.00212 * z, 0.639 + 0.00334 * z


def place_spots(
    spots: Spots, primaries: Primaries, stack: Stack, random: np.random.Generator
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return x, y, z in mm and the time in ns of spots, (spots,) each.

    A spot at the distance r from the axis is moved along the axis into the plane of its layer.
    """
    turn = random.uniform(0, 2 * np.pi, len(spots.shower))
    u, v = spots.radius * np.cos(turn), spots.radius * np.sin(turn)
    direction = primaries.direction[spots.shower]
    vertex = primaries.vertex[spots.shower]
    z = stack.middles[spots.layer]
    length = (z - vertex[:, 2]) / direction[:, 2]
    phi = np.arctan2(direction[:, 1], direction[:, 0])
    along = u / direction[:, 2]
    x = vertex[:, 0] + direction[:, 0] * length + along * np.cos(phi) - v * np.sin(phi)
    y = vertex[:, 1] + direction[:, 1] * length + along * np.sin(phi) + v * np.cos(phi)
    return x, y, z, length / _LIGHT
