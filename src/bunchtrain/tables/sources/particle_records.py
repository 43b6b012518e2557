"""Particles of generators with their mothers, from HepMC3 and Les Houches event files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.paths import check
from bunchtrain.tables.sources._event_files import EventFiles, open_lines

_FLOATS = ("px", "py", "pz", "energy", "mass", "x", "y", "z", "t")
#: Events that are read at a time at most.
_EVENTS = 1000


class ParticleRecords(EventFiles):
    """All particles of generated events, each with the index of its mother.

    Columns: `event_number`, `event_weight` (the first); `particle_pdg`, `particle_status`,
    `particle_mother` (index in the event of the first one, −1 for none); `particle_px`, `_py`,
    `_pz`, `_energy`, `_mass` in GeV; production vertex `particle_x`, `_y`, `_z` in mm and `_t` in
    mm/c, 0 where the file has none.

    HepMC3 files are the text format of release 3; Les Houches files are those of hep-ph/0609017.
    gzip, bzip2 and Zstandard are read as they are.

    files  path or glob, or a list of them, each HepMC3 or LHE.
    """

    name = "particle_records"
    layout: ClassVar[Mapping[str, str]] = {
        "event_number": "int64",
        "event_weight": "float64",
        **{f"particle_{n}": "var * int64" for n in ("pdg", "status", "mother")},
        **{f"particle_{n}": "var * float64" for n in _FLOATS},
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        **{f"particle_{n}": "GeV" for n in _FLOATS[:5]},
        **{f"particle_{n}": "mm" for n in "xyz"},
    }

    def __init__(self, *, files: str | list[str]) -> None:
        super().__init__(files)

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of at most `rows` events at a time."""
        check(path)
        rows = min(rows, _EVENTS)
        with open_lines(path) as lines:
            try:
                first = next((line for line in lines if line.strip()), "")
                if first.startswith("HepMC::Version 3"):
                    yield from _read_hepmc(lines, rows, path)
                elif first.lstrip().startswith("<LesHouchesEvents"):
                    yield from _read_lhe(lines, rows, path)
                else:
                    raise DataError(
                        f"'{path}' is neither HepMC3 text ('HepMC::Version 3') nor a Les Houches "
                        f"event file: it begins with '{first.strip()[:30]}'"
                    )
            except (ValueError, IndexError, OSError) as problem:
                raise DataError(f"'{path}' is damaged: {problem}") from None


def _read_hepmc(lines: Iterator[str], rows: int, path: str) -> Iterator[dict[str, Any]]:
    block, scale = list[list[str]](), (1.0, 1.0)
    for line in lines:
        if line[:2] == "E ":
            if len(block) == rows:
                yield _hepmc_columns(block, scale, path)
                block = []
            block.append([line])
        elif line[:2] in ("P ", "V ", "W ") and block:
            block[-1].append(line)
        elif line[:2] == "U ":
            words = line.split()
            scale = (0.001 if words[1] == "MEV" else 1.0, 10.0 if words[2] == "CM" else 1.0)
    if block:
        yield _hepmc_columns(block, scale, path)


def _hepmc_columns(block: list[list[str]], scale: tuple[float, float], path: str) -> dict[str, Any]:
    """Return the columns of events, each the lines E, W, V and P of one."""
    texts = [[line[2:] for line in event if line[0] == "P"] for event in block]
    counts = np.array([len(one) for one in texts])
    for event, expected, found in zip(block, map(_count, block), counts, strict=True):
        if expected != found:
            number = event[0].split()[1]
            text = f"states {expected} particles and has {found}"
            raise DataError(f"'{path}': event {number} {text}; the file may be cut")
    values = _numbers([one for event in texts for one in event], 9)
    identifier, origin = values[:, 0].astype(np.int64), values[:, 1].astype(np.int64)
    start = np.repeat(np.cumsum(counts) - counts, counts)
    if np.any(identifier != np.arange(len(values)) - start + 1):
        raise DataError(f"'{path}': the particles of an event are not numbered 1, 2, 3, …")
    index = np.repeat(np.arange(len(block)), counts)
    mother, vertex = _hepmc_mothers(block, index, origin)
    columns: dict[str, Any] = {
        "event_number": [int(one[0].split()[1]) for one in block],
        "event_weight": [_weight(one) for one in block],
    }
    made = {"pdg": values[:, 2], "status": values[:, 8], "mother": mother}
    made |= {name: values[:, 3 + k] * scale[0] for k, name in enumerate(_FLOATS[:5])}
    made |= {name: vertex[:, k] * scale[1] for k, name in enumerate(_FLOATS[5:])}
    return columns | {f"particle_{n}": ak.unflatten(v, counts) for n, v in made.items()}


def _hepmc_mothers(block: list[list[str]], event: Any, origin: Any) -> tuple[Any, Any]:
    """Return mother (particles,) and vertex (particles, 4): `origin` is a particle or a vertex."""
    mothers, places = dict[tuple[int, int], int](), dict[tuple[int, int], list[float]]()
    for number, lines in enumerate(block):
        for line in lines:
            if line[0] == "V":
                found = re.match(r"V (-\d+) -?\d+ \[([\d,]*)\](?: @ (.*))?", line)
                if found is None:
                    raise ValueError(f"no vertex: {line.strip()[:40]}")
                key = (number, int(found[1]))
                mothers[key] = int(found[2].partition(",")[0] or 0) - 1
                places[key] = [float(one) for one in (found[3] or "0 0 0 0").split()]
    keys = list(zip(event.tolist(), origin.tolist(), strict=True))
    mother = [one[1] - 1 if one[1] >= 0 else mothers.get(one, -1) for one in keys]
    nowhere = [0.0] * 4
    places_of = np.array([places.get(one, nowhere) for one in keys]).reshape(-1, 4)
    return np.array(mother, np.int64), places_of


def _count(lines: list[str]) -> int:
    return int(lines[0].split()[3])


def _weight(lines: list[str]) -> float:
    found = next((line for line in lines[1:] if line[0] == "W"), None)
    return float(found.split()[1]) if found else 1.0


def _numbers(lines: list[str], columns: int) -> Any:
    """Return lines of numbers as an array (lines, columns)."""
    found = np.array(" ".join(lines).split(), np.float64)
    if len(found) != columns * len(lines):
        raise ValueError(f"a particle has not {columns} numbers")
    return found.reshape(-1, columns)


def _read_lhe(lines: Iterator[str], rows: int, path: str) -> Iterator[dict[str, Any]]:
    block, number = list[list[str]](), 0
    for line in lines:
        if line.lstrip().startswith("<event"):
            header = next(lines, "")
            count = int(header.split()[0])
            event = [header, *(next(lines, "") for _ in range(count))]
            if any(not one.strip() or one.lstrip()[0] == "<" for one in event):
                raise DataError(f"'{path}': event {number + len(block)} is cut")
            block.append(event)
            if len(block) == rows:
                yield _lhe_columns(block, number)
                number, block = number + len(block), []
    if block:
        yield _lhe_columns(block, number)


def _lhe_columns(block: list[list[str]], first: int) -> dict[str, Any]:
    counts = [len(event) - 1 for event in block]
    values = _numbers([line for event in block for line in event[1:]], 13)
    made = {"pdg": values[:, 0], "status": values[:, 1], "mother": values[:, 2] - 1}
    made |= {name: values[:, 6 + k] for k, name in enumerate(_FLOATS[:5])}
    made |= dict.fromkeys(_FLOATS[5:], np.zeros(len(values)))
    return {
        "event_number": first + np.arange(len(block)),
        "event_weight": [float(event[0].split()[2]) for event in block],
        **{f"particle_{n}": ak.unflatten(v, counts) for n, v in made.items()},
    }
