"""Truth of tracks: what a particle comes from, and which particles share a production vertex."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from bunchtrain.simulation.pythia.collisions import Record
from bunchtrain.simulation.pythia.flavour import BEAUTY, CHARM, heaviest_quark
from bunchtrain.simulation.pythia.particles import Floats, Integers

#: Codes of `track_origin`, those of GN1 (ATL-PHYS-PUB-2022-027); 0 (pile-up) and 1 (fake) do not
#: occur.
PRIMARY, FROM_B, FROM_B_TO_C, FROM_C, FROM_TAU, SECONDARY = 2, 3, 4, 5, 6, 7
TAU = 15
MERGED = 0.1  # mm; vertices that are closer count as one


def origins(record: Record) -> Integers:
    """Return the origin of each entry of the records, (entries,).

    A particle with a b hadron among its ancestors is `FROM_B`, or `FROM_B_TO_C` if there is a c
    hadron in between; one of a c hadron `FROM_C`, of a τ lepton `FROM_TAU`; any other that is made
    more than 0.1 mm from the collision is `SECONDARY`, the rest `PRIMARY`.
    """
    pid = record.particles.pid
    beauty, charm = (heaviest_quark(pid) == q for q in (BEAUTY, CHARM))
    from_b = _descends(beauty, record.mother)
    open_charm = charm & ~_is_quarkonium(pid)
    from_c = _descends(open_charm, record.mother)
    from_b_to_c = _descends(open_charm & from_b, record.mother)
    from_tau = _descends(np.abs(pid) == TAU, record.mother)
    is_far = np.linalg.norm(record.vertex, axis=1) > MERGED
    cases = [from_b_to_c, from_b, from_c, from_tau, is_far]
    return np.select(cases, [FROM_B_TO_C, FROM_B, FROM_C, FROM_TAU, SECONDARY], PRIMARY)


def _is_quarkonium(pid: Integers) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    size = np.abs(pid)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]]
    found = (size // 1000 % 10 == 0) & (size // 100 % 10 == size // 10 % 10)
    return found


def _descends(
    chosen: np.ndarray[tuple[int], np.dtype[np.bool_]], mother: Integers
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which entries have a chosen one among their ancestors, (entries,)."""
    found, ancestor = chosen[mother], mother  # among the ancestors up to this one
    while not np.array_equal(ancestor, farther := ancestor[ancestor]):
        found, ancestor = found | found[ancestor], farther
    return found | found[ancestor]


def vertex_index(event: Integers, vertex: Floats) -> Integers:
    """Return an index of the production vertex of each particle, (particles,), unique in a batch.

    Vertices of an event that are linked by distances below 0.1 mm are one vertex.

    event   (particles,) index of the event.
    vertex  (particles, 3) in mm.
    """
    places, place = np.unique(np.column_stack([event, vertex]), axis=0, return_inverse=True)
    apart = 1 + 2 * max(1.0, np.ptp(places[:, 1:]))  # of two events
    tree = cKDTree(np.column_stack([apart * places[:, 0], places[:, 1:]]))
    pairs = tree.query_pairs(MERGED, output_type="ndarray")
    graph = coo_array((np.ones(len(pairs), bool), pairs.T), shape=(len(places),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1])[place.ravel()]
