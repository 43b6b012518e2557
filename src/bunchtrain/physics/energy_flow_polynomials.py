"""Energy Flow Polynomials, a linear basis of infrared- and collinear-safe observables.

arXiv:1712.07124
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Literal

import numpy as np

from bunchtrain.errors import StudyError, nearest
from bunchtrain.physics.contraction import Contraction
from bunchtrain.physics.contraction_plan import make_plan
from bunchtrain.physics.measures import MEASURES, fractions
from bunchtrain.physics.multigraphs import Graph, connected_multigraphs, edge_list
from bunchtrain.physics.packed import MEMORY, Floats, Ints, equal_multiplicity

MeasureName = Literal["hadronic", "e+e-"]
#: Maximum number of edges.
DEGREE = 7
#: Memory in bytes of the jets of a block, so that they fit into the processor's cache.
CACHE = 16_000_000


@cache
def prime_graphs(degree: int = DEGREE) -> tuple[Graph, ...]:
    """Return all connected multigraphs of 1 to `degree` edges: 489 up to seven.

    Raises StudyError for degrees below 1 or above 7.
    """
    if not 1 <= degree <= DEGREE:
        raise StudyError(
            f"the degree of Energy Flow Polynomials must be 1 to {DEGREE}, not {degree}"
        )
    return tuple(graph for edges in range(1, degree + 1) for graph in connected_multigraphs(edges))


def energy_flow_polynomials(
    momenta: Floats,
    lengths: Ints,
    degree: int = DEGREE,
    beta: float = 1.0,
    measure: MeasureName = "hadronic",
    normalised: bool = True,
    memory: float = MEMORY,
) -> Floats:
    """Return the polynomials of `prime_graphs(degree)` of every jet: (jets, graphs).

    EFP_G = Σ_{i₁} … Σ_{i_N} z_{i₁} … z_{i_N} Π_{(k,l) ∈ G} θ_{i_k i_l}^β, summed over all points
    for each of the N vertices of G. z is the fraction of pT (`hadronic`) or of E (`e+e-`), or
    either in GeV if not `normalised`; θ is ΔR or √(2 p_i·p_j / (E_i E_j)). `momenta` are
    (points, 4) as (E, px, py, pz) in GeV and `lengths` (jets,). Raises StudyError for an unknown
    measure or degree.
    """
    contraction = _contraction(degree)
    if measure not in MEASURES:
        raise StudyError(f"there is no measure named '{measure}'{nearest(measure, MEASURES)}")
    measured = MEASURES[measure](momenta, lengths)
    energy = fractions(measured.energy, lengths) if normalised else measured.energy
    values = np.zeros((len(lengths), len(prime_graphs(degree))))
    groups = equal_multiplicity(lengths, contraction.bytes_each, min(memory, CACHE))
    for rows, points in groups:
        angles = measured.squared_angles(points) ** (beta / 2)
        values[rows] = contraction(energy[points], angles)
    return values


@cache
def _contraction(degree: int) -> Contraction:
    return Contraction(make_plan(prime_graphs(degree)))


@cache
def composites(degree: int = DEGREE) -> tuple[tuple[int, ...], ...]:
    """Return the disconnected multigraphs of up to `degree` edges, as indices of `prime_graphs`.

    510 up to seven edges; with the prime graphs and a constant they are the linear basis.
    """
    edges = [len(edge_list(graph)) for graph in prime_graphs(degree)]
    return tuple(parts for count in range(2, degree + 1) for parts in _unions(edges, degree, count))


def _unions(edges: list[int], limit: int, count: int, first: int = 0) -> Iterator[tuple[int, ...]]:
    """Yield the indices of `count` graphs in ascending order, of at most `limit` edges in total."""
    if count == 0:
        yield ()
        return
    for one in range(first, len(edges)):
        if edges[one] * count > limit:
            break  # the graphs are in ascending order of degree
        for others in _unions(edges, limit - edges[one], count - 1, one):
            yield one, *others


def with_composites(values: Floats, degree: int = DEGREE) -> Floats:
    """Return the polynomials of prime graphs, then those of composites, their products."""
    products = [values[:, list(parts)].prod(1) for parts in composites(degree)]
    return np.column_stack([values, *products])


def graph_name(graph: Graph) -> str:
    """Return the edges of a graph by its vertices, e.g. `01_12_12`."""
    return "_".join(f"{low}{high}" for low, high in edge_list(graph))
