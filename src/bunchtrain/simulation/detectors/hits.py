"""Hits: the energy of steps or spots in cells, with the particle that made it, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.simulation.detectors.beam import Primaries
from bunchtrain.simulation.detectors.cells import Cells, Ints
from bunchtrain.simulation.detectors.layers import Floats

#: Columns of the incident particles → awkward type.
PARTICLES = {
    "event_id": "int64",
    "deposited": "float64",
    "particle_pdg": "var * int64",
    **{f"particle_{n}": "var * float32" for n in ("energy", "x", "y", "z", "theta", "phi")},
    "particle_visible": "var * float32",
}
#: Column → awkward type.
LAYOUT = {
    **PARTICLES,
    **{"hit_layer": "var * int64", "hit_cell": "var * int64"},
    **{f"hit_{name}": "var * float32" for name in ("x", "y", "z", "energy", "time")},
    "hit_particle": "var * int64",
    "hit_deposit_particle": "var * var * int64",
    "hit_deposit_energy": "var * var * float32",
}
UNITS_OF_PARTICLES = {
    **dict.fromkeys(("deposited", "particle_energy", "particle_visible"), "GeV"),
    **{f"particle_{axis}": "mm" for axis in "xyz"},
    **{"particle_theta": "rad", "particle_phi": "rad"},
}
UNITS = {
    **UNITS_OF_PARTICLES,
    **{f"hit_{axis}": "mm" for axis in "xyz"},
    **{"hit_energy": "GeV", "hit_deposit_energy": "GeV", "hit_time": "ns"},
}


@dataclass(frozen=True)
class Deposits:
    """Energy in a cell by one particle.

    particle  (deposits,) index among all incident particles of the part.
    cell      (deposits,) number of the cell.
    energy    (deposits,) in GeV.
    time      (deposits,) in ns at which half of the energy has been deposited.
    pdg       (deposits,) number of the Particle Data Group of the particle of the largest step.
    """

    particle: Ints
    cell: Ints
    energy: Floats
    time: Floats
    pdg: Ints


def sum_steps(
    particle: Ints, cell: Ints, energy: Floats, time: Floats, pdg: Ints | None = None
) -> Deposits:
    """Return the energy and the time of each incident particle in each cell, of steps (n,).

    pdg  of the particle that made the step, 0 if it is not known.
    """
    pdg = np.zeros(len(particle), np.int64) if pdg is None else pdg
    order = np.lexsort((time, cell, particle))
    particle, cell, energy, time = particle[order], cell[order], energy[order], time[order]
    first, group = find_runs(particle, cell)
    total = sum_runs(energy, first)
    main = order[np.lexsort((-energy, group))[first]]  # the largest step of each deposit
    times = _half_time(energy, time, first, group, total)
    return Deposits(particle[first], cell[first], total, times, pdg[main])


def find_runs(*keys: Ints) -> tuple[Ints, Ints]:
    """Return the index of the first of each run of equal keys, and the run of each: sorted (n,)."""
    is_new = np.ones(len(keys[0]), bool)
    is_new[1:] = np.any([key[1:] != key[:-1] for key in keys], axis=0)
    return np.flatnonzero(is_new), np.cumsum(is_new) - 1


def sum_runs(values: Floats, first: Ints) -> Floats:
    """Return the sum of the values (n,) of each run, (runs,)."""
    return np.add.reduceat(values, first) if len(first) else np.zeros(0)


def join(deposits: Sequence[Deposits]) -> Deposits:
    """Return the deposits of several particles together."""
    names = [field.name for field in fields(Deposits)]
    return Deposits(*(np.concatenate([getattr(d, n) for d in deposits]) for n in names))


def _half_time(energy: Floats, time: Floats, first: Ints, group: Ints, total: Floats) -> Floats:
    """Return the time at which each run of steps, in order of time, has half of its energy."""
    if not len(first):
        return np.zeros(0)
    summed = np.cumsum(energy)
    own = summed - (summed[first] - energy[first])[group]
    reached = np.flatnonzero(own >= total[group] / 2 * (1 - 1e-9))
    return time[reached[np.searchsorted(group[reached], np.arange(len(first)))]]


def of_events(primaries: Primaries, events: int) -> Ints:
    """Return the index of each incident particle in its event, (particles,)."""
    counts = np.bincount(primaries.event, minlength=events)
    own: Ints = np.arange(len(primaries.event)) - (np.cumsum(counts) - counts)[primaries.event]
    return own


def particle_columns(
    primaries: Primaries, deposits: Deposits, events: int, first: int
) -> dict[str, ak.Array]:
    """Return the columns of `PARTICLES` without `deposited`, for the events from `first` on."""
    counts = np.bincount(primaries.event, minlength=events)
    theta, phi = primaries.angles
    visible = np.bincount(deposits.particle, deposits.energy, len(primaries.event))
    values = {"pdg": primaries.pdg, "energy": primaries.energy, "theta": theta, "phi": phi}
    values |= dict(zip("xyz", primaries.vertex.T, strict=True)) | {"visible": visible}
    found = {f"particle_{n}": ak.unflatten(v, counts) for n, v in values.items()}
    return found | {"event_id": ak.Array(first + np.arange(events))}


def hit_columns(
    primaries: Primaries, deposits: Deposits, cells: Cells, events: int, first: int
) -> dict[str, ak.Array]:
    """Return the columns of `LAYOUT` without `deposited`, for the events from `first` on.

    Hits are in the order of their cells; their deposits in that of the particles.
    """
    event, own = primaries.event[deposits.particle], of_events(primaries, events)
    found = particle_columns(primaries, deposits, events, first)
    return found | cell_columns(event, own[deposits.particle], deposits, cells, events)


def cell_columns(
    event: Ints, index: Ints, deposits: Deposits, cells: Cells, events: int
) -> dict[str, ak.Array]:
    """Return the columns `hit_*` of `LAYOUT`.

    event  (deposits,) event of each deposit.
    index  (deposits,) index in its event of the particle that made it.
    """
    order = np.lexsort((index, deposits.cell, event))
    event, index = event[order], index[order]
    cell, energy, time = (getattr(deposits, name)[order] for name in ("cell", "energy", "time"))
    start, hit = find_runs(event, cell)
    size = np.bincount(hit, minlength=len(start))
    main = np.lexsort((-energy, hit))[start]  # the largest deposit of each hit
    total = sum_runs(energy, start)
    layer, x, y, z = cells.place(cell[start])
    hits = {"layer": layer, "cell": cell[start], "x": x, "y": y, "z": z}
    hits |= {"energy": total, "time": time[main], "particle": index[main]}
    number = np.bincount(event[start], minlength=events)
    found = {f"hit_{n}": ak.unflatten(v, number) for n, v in hits.items()}
    for name, values in (("particle", index), ("energy", energy)):
        found[f"hit_deposit_{name}"] = ak.unflatten(ak.unflatten(values, size), number)
    return found


def as_table(columns: dict[str, ak.Array], layout: Mapping[str, str]) -> pa.Table:
    """Return columns in the types of a layout as an Arrow table."""
    cast = {n: ak.values_astype(columns[n], layout[n].rpartition(" ")[2]) for n in layout}
    return ak.to_arrow_table(ak.zip(cast, depth_limit=1), extensionarray=False)
