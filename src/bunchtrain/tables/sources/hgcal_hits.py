"""Reconstructed hits of CMS' high-granularity calorimeter with the fraction of each true shower."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.paths import check, openable
from bunchtrain.tables.sources._event_files import EventFiles, Ints, check_finite

_BRANCHES = ("rechit_features", "simcluster_fractions")
#: Features of a hit in the file: energy in GeV, x and y in cm, the number of the cell as a float,
#: which is rounded to 128, φ, η and θ in rad.
_FEATURES = 7
_CM = 10.0


class HgcalHits(EventFiles):
    """Hits of simulated events in CMS' high-granularity calorimeter, with their true showers.

    Columns: `hit_energy` in GeV; `hit_x`, `hit_y`, `hit_z` in mm, of which z follows from the
    pseudorapidity, z = √(x² + y²) sinh η; `hit_shower`, the index of the shower with the largest
    fraction of the hit's energy, −1 for noise, and `hit_fraction`, that fraction; `hit_fractions`,
    those of all showers; `shower_energy`, the energy of the hits in GeV weighted with their
    fractions, and `shower_hits`, the number of its hits.

    files  ROOT files with the branches `rechit_features` and `simcluster_fractions` in one tree.
    """

    name = "hgcal_hits"
    layout: ClassVar[Mapping[str, str]] = {
        **{f"hit_{n}": "var * float32" for n in ("energy", "x", "y", "z", "fraction")},
        "hit_shower": "var * int64",
        "hit_fractions": "var * var * float32",
        "shower_energy": "var * float32",
        "shower_hits": "var * int64",
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        **{f"hit_{n}": "mm" for n in "xyz"},
        **{"hit_energy": "GeV", "shower_energy": "GeV"},
    }

    def __init__(self, *, files: str | list[str]) -> None:
        super().__init__(files)

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of about `rows` events of a file at a time."""
        check(path)
        with uproot.open(openable(path)) as file:
            trees = [tree for tree in file.values() if isinstance(tree, uproot.TTree)]
            found = [tree for tree in trees if set(_BRANCHES) <= set(tree.keys())]
            if not found:
                raise DataError(
                    f"'{path}' has no tree with the branches {' and '.join(_BRANCHES)}; it is no "
                    "file of HGCAL hits"
                )
            for start in range(0, found[0].num_entries, rows):
                block = found[0].arrays(_BRANCHES, entry_start=start, entry_stop=start + rows)
                yield _columns(block, start, path)


def _columns(block: ak.Array, first: int, path: str) -> dict[str, Any]:
    """Return the columns of events, of which the first one is number `first` in its file."""
    features, fractions = (block[name] for name in _BRANCHES)
    counts = ak.to_numpy(ak.num(features))
    if len(bad := np.flatnonzero(counts != ak.to_numpy(ak.num(fractions)))):
        raise DataError(
            f"'{path}': event {first + bad[0]} has {counts[bad[0]]:,} hits, and fractions of "
            f"{len(fractions[bad[0]]):,}; the file is damaged"
        )
    event = np.repeat(np.arange(len(counts)), counts)
    showers = ak.to_numpy(ak.flatten(ak.num(fractions, axis=2)))
    number = np.zeros(len(counts), np.int64)
    np.maximum.at(number, event, showers)
    width = ak.to_numpy(ak.flatten(ak.num(features, axis=2)))
    _check_lengths(width, np.full(len(width), _FEATURES), "features", event + first, path)
    _check_lengths(showers, number[event], "showers", event + first, path)
    flat = ak.to_numpy(ak.flatten(features, axis=None)).reshape(-1, _FEATURES).astype(np.float64)
    energy, x, y, eta = flat[:, 0], flat[:, 1] * _CM, flat[:, 2] * _CM, flat[:, 5]
    place = {"hit_x": x, "hit_y": y, "hit_z": np.hypot(x, y) * np.sinh(eta)}
    check_finite(place, "hit", path)
    share = ak.to_numpy(ak.flatten(fractions, axis=None)).astype(np.float64)
    best, largest, total, hits = _showers(share, showers, energy, event, number)
    made = {**place, "hit_energy": energy, "hit_shower": best, "hit_fraction": largest}
    made = {name: ak.unflatten(values, counts) for name, values in made.items()}
    made["shower_energy"] = ak.unflatten(total, number)
    made["shower_hits"] = ak.unflatten(hits, number)
    return made | {"hit_fractions": fractions}


def _check_lengths(found: Ints, expected: Ints, what: str, event: Ints, path: str) -> None:
    """Raise DataError if the lists of the hits are not of these lengths, (hits,) each."""
    if len(bad := np.flatnonzero(found != expected)):
        raise DataError(
            f"'{path}': a hit of event {event[bad[0]]} has {found[bad[0]]} {what}, not "
            f"{expected[bad[0]]}; the file is damaged"
        )


def _showers(
    share: NDArray[np.float64],
    showers: Ints,
    energy: NDArray[np.float64],
    event: Ints,
    number: Ints,
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the shower of each hit and its fraction, and the energy and hits of each shower.

    share    fractions of all hits, one after the other.
    showers  (hits,) how many belong to each; `energy` and `event` of the hits.
    number   (events,) of showers.
    """
    hit = np.repeat(np.arange(len(showers)), showers)
    column = np.arange(len(share)) - np.repeat(np.cumsum(showers) - showers, showers)
    largest = np.zeros(len(showers))
    np.maximum.at(largest, hit, share)
    best = np.full(len(showers), -1, np.int64)
    is_best = (share == largest[hit]) & (share > 0)
    best[hit[is_best][::-1]] = column[is_best][::-1]  # the first of equal ones
    row = (np.cumsum(number) - number)[event[hit]] + column
    total = np.bincount(row, share * energy[hit], minlength=number.sum())
    hits = np.bincount(row[share > 0], minlength=number.sum())
    return best, largest, total, hits
