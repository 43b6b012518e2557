"""Columns of the events of a part, from ACTS' Arrow tables and CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
from numpy.typing import NDArray

from bunchtrain.simulation.acts.collisions import LIGHT, Charged, Floats, Ints
from bunchtrain.tables.geometry import surface_number

#: Parameters of a track at the beam and of a state in the plane of its module.
TRACK = ("d0", "z0", "phi", "theta", "qop")
STATE = ("loc0", "loc1", "phi", "theta", "qop")
KINDS = ("predicted", "filtered", "smoothed")
#: Elements of the lower triangle of a covariance of five parameters.
ELEMENTS = 15
_LOWER = np.tril_indices(5)
_FLOAT = "var * float32"
_INTEGER = "var * int64"
_COVARIANCE = f"var * {ELEMENTS} * float32"
_OF_PARTICLES = {
    **{"mass": "mass", "energy": "energy", "px": "px", "py": "py", "pz": "pz"},
    **{"x": "vx", "y": "vy", "z": "vz"},
}
LAYOUT = {
    "event_id": "int64",
    **{f"collision_{n}": _FLOAT for n in ("x", "y", "z", "time")},
    **{f"particle_{n}": _FLOAT for n in (*_OF_PARTICLES, "time", "d0", "z0")},
    **{f"particle_{n}": _INTEGER for n in ("pdg", "charge", "collision", "primary", "hits")},
    **{f"hit_{n}": _FLOAT for n in ("x", "y", "z", "true_x", "true_y", "true_z", "true_time")},
    **{f"hit_{n}": _FLOAT for n in ("loc0", "loc1", "variance0", "variance1")},
    **{f"hit_{n}": _INTEGER for n in ("particle", "volume", "layer", "surface")},
    **{f"track_{n}": _FLOAT for n in (*TRACK, "chi2")},
    "track_covariance": _COVARIANCE,
    **{f"track_{n}": _INTEGER for n in ("ndf", "holes", "outliers", "particle", "matched")},
    "track_hits": "var * var * int64",
    **{f"vertex_{n}": _FLOAT for n in "xyz"},
}
#: Columns with the option `states`.
STATES = {
    **{f"state_{n}": _INTEGER for n in ("track", "hit", "outlier")},
    "state_chi2": _FLOAT,
    **{f"state_{kind}_{n}": _FLOAT for kind in KINDS for n in STATE},
    **{f"state_{kind}_covariance": _COVARIANCE for kind in KINDS},
}
#: Columns with the option `wide_seeds`.
WIDE_TRACKS = {f"wide_{n}": kind for n, kind in LAYOUT.items() if n.startswith("track_")}
_LENGTHS = ("x", "y", "z", "d0", "z0", "loc0", "loc1", "true_x", "true_y", "true_z")


def unit(column: str) -> str:
    """Return the unit of a column, as text."""
    name = column.removeprefix("wide_").partition("_")[2]
    name = name.removeprefix("predicted_").removeprefix("filtered_").removeprefix("smoothed_")
    if name in _LENGTHS:
        return "mm"
    known = {"mass": "GeV", "energy": "GeV", "px": "GeV", "py": "GeV", "pz": "GeV"}
    known |= {"time": "ns", "true_time": "ns", "phi": "rad", "theta": "rad", "qop": "1/GeV"}
    known |= {"variance0": "mm²", "variance1": "mm²"}
    return known.get(name, "")


def write_particles(particles: Charged, events: int, folder: Path) -> None:
    """Write one CSV file for each event, as ACTS reads them."""
    size = np.bincount(particles.event, minlength=events)
    first = np.cumsum(size) - size
    zero = np.zeros(len(particles.event), np.int64)
    number = np.arange(len(zero)) - first[particles.event] + 1
    columns: dict[str, Any] = {"particle_id_pv": particles.collision + 1, "particle_id_sv": zero}
    columns |= {"particle_id_part": number, "particle_id_gen": zero, "particle_id_subpart": zero}
    columns |= {"particle_type": particles.pdg, "process": zero}
    columns |= {"vx": particles.x, "vy": particles.y, "vz": particles.z, "vt": particles.t}
    columns |= {"px": particles.px, "py": particles.py, "pz": particles.pz}
    table = pa.table({**columns, "m": particles.mass, "q": particles.charge})
    header = ",".join(table.column_names).encode() + b"\n"  # Arrow would quote the names
    bare = pa.csv.WriteOptions(include_header=False)
    for event in range(events):
        with (folder / f"event{event:09d}-generated.csv").open("wb") as file:
            file.write(header)
            pa.csv.write_csv(table.slice(int(first[event]), int(size[event])), file, bare)


def read_csv(folder: Path, stem: str, events: int, columns: Sequence[str]) -> dict[str, ak.Array]:
    """Return columns of the CSV files of all events, as lists of the events."""
    files = [str(folder / f"event{event:09d}-{stem}.csv") for event in range(events)]
    types = pa.csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.float64()))
    fragments = ds.dataset(files, format=ds.CsvFileFormat(convert_options=types))
    table = fragments.to_table(columns=[*columns, "__filename"], use_threads=False)
    order = {file: event for event, file in enumerate(files)}
    names = table["__filename"].combine_chunks().dictionary_encode()
    event = np.array([order[n] for n in names.dictionary.to_pylist()], np.int64)
    counts = np.bincount(event[names.indices.to_numpy()], minlength=events)
    return {n: ak.unflatten(table[n].to_numpy(), counts) for n in columns}


def event_columns(
    arrow: dict[str, list[Any]],
    tracks: Sequence[dict[str, NDArray[Any]]],
    folder: Path,
    field: float,
    wide: Sequence[dict[str, NDArray[Any]]] = (),
) -> dict[str, ak.Array]:
    """Return the columns of particles, hits, tracks and vertices; hits are measurements.

    field  in tesla.
    wide   tracks of the second search, none without `wide_seeds`.
    """
    tables = {name: pa.concat_tables(parts) for name, parts in arrow.items()}
    kinds = ("particles_table", "hits_table", "tracks_table")
    particles, hits, found = (_columns_of(tables[kind]) for kind in kinds)
    measured = _measured(folder, len(tracks))
    hits = {name: values[measured] for name, values in hits.items()}
    owner = find(hits["particle_id"], particles["particle_id"])
    columns = _particle_columns(particles, owner, field)
    columns |= _hit_columns(hits, owner, folder)
    columns |= _track_columns(found, tracks, particles["particle_id"], owner)
    if wide:
        again = _columns_of(tables["wide_tracks_table"])
        second = _track_columns(again, wide, particles["particle_id"], owner)
        columns |= {f"wide_{name}": values for name, values in second.items()}
    vertices = read_csv(folder, "vertices", len(tracks), list("xyz"))
    return columns | {f"vertex_{axis}": vertices[axis] for axis in "xyz"}


def _columns_of(table: pa.Table) -> dict[str, ak.Array]:
    return {name: _without_options(table[name]) for name in table.column_names}


def _without_options(column: pa.ChunkedArray) -> ak.Array:
    """Return a column in which nothing is missing as plain lists.

    Awkward drops options from lists with offsets of 64 bits only, which those of a single event
    have once they are joined.
    """
    found = ak.from_arrow(column)
    return ak.drop_none(ak.concatenate([found, found[:0]]))


def _measured(folder: Path, events: int) -> ak.Array:
    """Return the index of the first simulated hit of each measurement, as lists of the events."""
    names = ["measurement_id", "hit_id"]
    pairs = read_csv(folder, "measurement-simhit-map", events, names)
    number, hit = (pairs[name] for name in names)
    before = ak.concatenate([ak.full_like(number[:, :1], -1), number[:, :-1]], axis=1)
    return ak.values_astype(hit[number != before], np.int64)


def perigee(x: Floats, y: Floats, z: Floats, p: Sequence[Floats], turn: Floats) -> list[Floats]:
    """Return d0 and z0 in mm of helices around the beam, (n,) each.

    With the radius r = pT/(q B), positive for clockwise motion, and the centre C of the circle:
    d0 = r − sign(r) |C|, and z0 = z + r Δφ pz/pT; x = −d0 sin φ, y = d0 cos φ at the beam.

    p     (px, py, pz) in GeV, (n,) each.
    turn  q B in T, (n,); 0 for a straight line.
    """
    px, py, pz = p
    pt = np.hypot(px, py)
    sine, cosine = py / pt, px / pt
    straight = y * cosine - x * sine, z - (x * cosine + y * sine) * pz / pt
    r = pt / np.where(turn == 0, np.nan, 2.99792458e-4 * turn)
    centre = np.stack([x + r * sine, y - r * cosine])
    size = np.hypot(*centre)
    n = np.sign(r) * centre / size
    delta = np.arctan2(-sine * n[1] - cosine * n[0], sine * n[0] - cosine * n[1])
    helix = r - np.sign(r) * size, z + r * delta * pz / pt
    return [np.where(turn == 0, a, b) for a, b in zip(straight, helix, strict=True)]


def _particle_columns(
    particles: dict[str, ak.Array], owner: ak.Array, field: float
) -> dict[str, ak.Array]:
    found = {f"particle_{name}": particles[column] for name, column in _OF_PARTICLES.items()}
    counts = ak.to_numpy(ak.num(particles["particle_id"]))
    row = ak.flatten(owner[owner >= 0] + (np.cumsum(counts) - counts))
    hits = np.bincount(ak.to_numpy(row), minlength=counts.sum())
    x, y, z = (np.asarray(ak.flatten(found[f"particle_{n}"]), float) for n in ("x", "y", "z"))
    p = [np.asarray(ak.flatten(found[f"particle_{n}"]), float) for n in ("px", "py", "pz")]
    charge = ak.to_numpy(ak.flatten(particles["charge"]))
    d0, z0 = perigee(x, y, z, p, charge * field)
    found |= {"particle_d0": ak.unflatten(d0, counts), "particle_z0": ak.unflatten(z0, counts)}
    return found | {
        "particle_time": particles["time"] / LIGHT,
        "particle_pdg": particles["pdg_id"],
        "particle_charge": particles["charge"],
        "particle_collision": ak.values_astype(particles["vertex_primary"], np.int64) - 1,
        "particle_primary": particles["primary"],
        "particle_hits": ak.unflatten(hits, counts),
    }


def _hit_columns(hits: dict[str, ak.Array], owner: ak.Array, folder: Path) -> dict[str, ak.Array]:
    names = {"local0": "loc0", "local1": "loc1"}
    names |= {"var_local0": "variance0", "var_local1": "variance1"}
    measured = read_csv(folder, "measurements", len(owner), list(names))
    found = {f"hit_{name}": measured[column] for column, name in names.items()}
    for name in ("x", "y", "z", "true_x", "true_y", "true_z"):
        found[f"hit_{name}"] = hits[name]
    for name in ("volume", "layer"):
        found[f"hit_{name}"] = hits[f"{name}_id"]
    place = (ak.values_astype(hits[f"{n}_id"], np.int64) for n in ("volume", "layer", "surface"))
    found["hit_surface"] = surface_number(*place)
    return found | {"hit_true_time": hits["time"] / LIGHT, "hit_particle": owner}


def _track_columns(
    found: dict[str, ak.Array],
    tracks: Sequence[dict[str, NDArray[Any]]],
    particles: ak.Array,
    owner: ak.Array,
) -> dict[str, ak.Array]:
    every = {name: np.concatenate([one[name] for one in tracks]) for name in tracks[0]}
    counts = [len(one["chi2"]) for one in tracks]
    values: dict[str, Any] = dict(zip(TRACK, every["parameters"].T[:5], strict=True))
    values["covariance"] = every["covariance"][:, _LOWER[0], _LOWER[1]]
    for name, column in (("chi2", "chi2"), ("ndf", "ndf"), ("holes", "nHoles")):
        values[name] = every[column]
    values["outliers"] = every["nOutliers"]
    columns = {f"track_{name}": ak.unflatten(value, counts) for name, value in values.items()}
    members = ak.values_astype(found["measurement_ids"], np.int64)
    particle = find(found["majority_particle_id"], particles)
    own = owner[ak.flatten(members, axis=2)]
    own = ak.unflatten(own, ak.flatten(ak.num(members, axis=2)), axis=1)
    matched = ak.sum((own == particle) & (own >= 0), axis=2)
    return columns | {
        "track_particle": particle,
        "track_matched": matched,
        "track_hits": members,
    }


def state_columns(states: Sequence[Floats]) -> dict[str, ak.Array]:
    """Return the columns of the states, of the rows of each event, see `read_states`."""
    rows, counts = np.concatenate(states), [len(one) for one in states]
    values: dict[str, Any] = dict(zip(("track", "hit", "outlier", "chi2"), rows.T, strict=False))
    for i, kind in enumerate(KINDS):
        values |= {f"{kind}_{n}": rows[:, 4 + 5 * i + k] for k, n in enumerate(STATE)}
        start = 4 + 5 * len(KINDS) + ELEMENTS * i
        values[f"{kind}_covariance"] = rows[:, start : start + ELEMENTS]
    return {f"state_{name}": ak.unflatten(value, counts) for name, value in values.items()}


def find(wanted: ak.Array, among: ak.Array) -> ak.Array:
    """Return the index of each number in the list of its event, −1 if it is not there.

    wanted  (events, n) numbers.
    among   (events, m) different numbers.
    """
    counts = ak.to_numpy(ak.num(wanted)), ak.to_numpy(ak.num(among))
    flat = [ak.to_numpy(ak.flatten(one)) for one in (wanted, among)]
    different, rank = np.unique(np.concatenate(flat), return_inverse=True)
    event = [np.repeat(np.arange(len(one)), one) for one in counts]
    key: list[Ints] = [
        e * len(different) + r for e, r in zip(event, np.split(rank, [len(flat[0])]), strict=True)
    ]
    order = np.argsort(key[1])
    place = np.searchsorted(key[1][order], key[0])
    index = order[np.minimum(place, len(order) - 1)] if len(order) else np.zeros(0, np.int64)
    is_there = key[1][index] == key[0] if len(order) else np.zeros(len(key[0]), bool)
    first = (np.cumsum(counts[1]) - counts[1])[event[0]]
    return ak.unflatten(np.where(is_there, index - first if len(order) else -1, -1), counts[0])
