"""Recognition of the energies, momenta and masses of jets by the names of columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.tables.momentum_names import is_momentum, name_words

_JETS = frozenset(
    (
        *("jet", "jets", "j", "jj", "jjj", "bb", "fatjet", "bjet", "subjet", "constituent"),
        *("constituents", "particle", "particles", "cand", "candidate", "candidates", "pfcand"),
        *("track", "tracks", "tower", "towers", "cluster", "clusters"),
    )
)
#: Objects that no effect on jets changes.
_NO_JETS = frozenset(
    (
        *("muon", "muons", "mu", "mumu", "electron", "electrons", "ele", "el", "ee", "lepton"),
        *("leptons", "lep", "l", "ll", "lv", "photon", "photons", "pho", "ph", "gamma", "gg"),
        *("tau", "taus", "met", "missing", "puppimet", "pfmet", "nu", "neutrino"),
    )
)
#: First words of the names of generator-level columns, to which no detector effect applies.
_TRUTH = ("truth", "gen", "true", "mc", "parton")


def is_measured_momentum(name: str) -> bool:
    """Return whether a column is an energy, a momentum or a mass, not at generator level."""
    return is_momentum(name) and not is_truth(name)


def is_truth(name: str) -> bool:
    """Return whether a column is of the generator level, by its first word."""
    return "".join(name_words(name)[:1]).startswith(_TRUTH)


def is_of_jets(name: str) -> bool:
    """Return whether a column can be one of jets or their constituents, and of no other object."""
    words = name_words(name)
    if _JETS & set(words) or ("sum" in words and {"et", "pt"} & set(words)):
        return True
    is_electron = len(words) > 1 and re.match(r"e\d?(_|\.)", name) is not None
    return not (_NO_JETS & set(words) or is_electron)


def jet_momenta(fields: Collection[str], columns: list[str] | None) -> list[str]:
    """Return those of `columns` among the fields, or the momenta of jets if it is None."""
    if columns is not None:
        return [name for name in fields if name in columns]
    return [name for name in fields if is_measured_momentum(name) and is_of_jets(name)]


def check_columns(effect: str, columns: Collection[str], available: Mapping[str, str]) -> None:
    """Raise StudyError, naming the nearest, for a column that the source does not have."""
    for name in columns:
        if name not in available:
            hint = nearest(name, available) or f"; there are {one_of(available)}"
            raise StudyError(f"{effect}: the source has no column '{name}'{hint}")
