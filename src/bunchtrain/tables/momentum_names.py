"""Recognition of energies, momenta and masses, and of four-momenta, by the names of columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping


def _set_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words of the names of energies, momenta and masses.
_MOMENTA = _set_of("pt px py pz energy mass et ht mt msoftdrop msd met sumet")
#: Such words that are single letters: the last word of a name, or (m, E) the first one.
_LETTERS = frozenset("epm")
#: Words of other quantities: angles, counts, ratios, identifiers.
_OTHERS = _set_of(
    """n num nb number count mult multiplicity is has id idx index charge q flag weight score tag
    btag csv eta phi theta rapidity y dr deltar deta dphi frac fraction ratio over rel sig
    significance iso isolation"""
)
#: Words that are joined to a quantity without a mark: `jetpt`, `muonpt`.
_OWNERS = _set_of("jet jets fatjet lep lepton mu muon el ele electron photon tau met sum lead top")

#: Component → its names in files after the name of the object, in lower case.
SPELLINGS: dict[str, tuple[str, ...]] = {
    "pt": ("pt", "fpt", "fcoordinates_fpt"),
    "eta": ("eta", "feta", "fcoordinates_feta"),
    "phi": ("phi", "fphi", "fcoordinates_fphi"),
    "px": ("px", "fp_fx", "fx", "fcoordinates_fx"),
    "py": ("py", "fp_fy", "fy", "fcoordinates_fy"),
    "pz": ("pz", "fp_fz", "fz", "fcoordinates_fz"),
    "energy": ("energy", "e", "fe", "ft", "fcoordinates_ft", "fcoordinates_fe"),
    "mass": ("mass", "m", "fm", "fcoordinates_fm"),
}
#: Names that are momenta only where the object has an energy or a mass: they may be a position.
_BARE = {"px": "x", "py": "y", "pz": "z"}
#: Words of objects whose x, y, z are a position, also with an energy.
_PLACES = _set_of(
    """hit hits cell cells digi digis rechit rechits strip pixel vertex vertices vtx pv sv position
    pos point points cluster clusters tower towers sensor simhit"""
)
CARTESIAN = ("px", "py", "pz")
CYLINDRICAL = ("pt", "eta", "phi")


def group_members(prefix: str, available: Iterable[str]) -> dict[str, str]:
    """Return suffix → column of the columns `prefix_suffix` and `prefix.suffix`."""
    marked, skipped = (f"{prefix}_", f"{prefix}."), len(prefix) + 1
    return {n[skipped:]: n for n in available if n.startswith(marked) and len(n) > skipped}


def group_prefixes(available: Iterable[str]) -> set[str]:
    """Return what may be the prefix of a group: the beginnings of columns before a mark."""
    names = list(available)
    cut = {name.rpartition(mark)[0] for name in names for mark in "_."}
    return (cut | {name.partition("_")[0] for name in names if "_" in name}) - {""}


def name_words(name: str) -> list[str]:
    """Return the words of a name in lower case: `jetPt`, `pT_jet1` and `jet1_fP_fX` have pt, px."""
    name = re.sub(r"fP_f([XYZ])", lambda found: f"p{found[1].lower()}", name)
    name = re.sub(r"(?<![A-Z])([pmE])T(?![a-z])", lambda found: f"_{found[1].lower()}t_", name)
    name = re.sub(r"_?pt_?D(?![a-z])", "_ptd_", name)
    name = re.sub(r"(^|_|\.)fE($|_)", r"\1energy\2", name)
    found = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]
    return [part for word in found for part in _split_word(word)]


def _split_word(word: str) -> list[str]:
    """Return `jetpt` as jet, pt."""
    for quantity in ("pt", "mass", "energy"):
        owner = word.removesuffix(quantity)
        if owner != word and owner in _OWNERS:
            return [owner, quantity]
    return [word]


def is_momentum(name: str) -> bool:
    """Return whether a column is an energy, a momentum or a mass."""
    words = name_words(name)
    if not words or _OTHERS & set(words):
        return False
    return bool(
        _MOMENTA & set(words)
        or words[-1] in _LETTERS
        or re.fullmatch("m(j*|b*)", words[0])
        or re.match(r"E(_|\d|$)", name)
    )


def components(members: Mapping[str, str]) -> dict[str, str]:
    """Return component → column for the members of an object that are named as one.

    members  name after that of the object → column, `{"pt": "jet_pt"}`, `{"fP_fX": "jet_fP_fX"}`.
    """
    lowered = _lowered(members)
    return {
        component: next(lowered[word] for word in words if word in lowered)
        for component, words in SPELLINGS.items()
        if any(word in lowered for word in words)
    }


def find_momentum(members: Mapping[str, str]) -> dict[str, str]:
    """Return component → column of a four-momentum, {} if there is none.

    It has px, py, pz or pt, eta, phi, and energy or mass if there is one.
    """
    found, lowered = components(members), _lowered(members)
    scale = [name for name in ("energy", "mass") if name in found][:1]
    for axes in (CARTESIAN, CYLINDRICAL):
        if all(component in found for component in axes):
            return {component: found[component] for component in (*axes, *scale)}
    is_place = bool(_PLACES & set(name_words(lowered.get("x", ""))))
    if scale and not is_place and all(word in lowered for word in _BARE.values()):
        bare = {component: lowered[word] for component, word in _BARE.items()}
        return bare | {scale[0]: found[scale[0]]}
    return {}


def _lowered(members: Mapping[str, str]) -> dict[str, str]:
    return {name.lower().replace(".", "_"): column for name, column in members.items()}
