"""Four-vectors in expressions, using `vector`: E² = m² + p², in GeV."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
import vector

from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.lists import Problem

vector.register_awkward()

#: Name in an expression → attribute of a `vector` momentum.
PROPERTIES: dict[str, str] = {
    **{name: name for name in ("px", "py", "pz", "pt", "pt2", "eta", "phi", "mass", "mass2")},
    **{name: name for name in ("p", "p2", "theta", "rapidity", "beta", "gamma", "mt", "et")},
    **{"E": "E", "energy": "E", "e": "E", "m": "mass"},
}
COORDINATES = ("pt", "eta", "phi", "mass", "px", "py", "pz", "E", "energy", "theta")


def is_vector(value: Any) -> bool:
    """Return whether a value contains four-vectors."""
    return isinstance(value, ak.Array) and kind(value) == "record"


def four_vector(*values: Any, **named: Any) -> ak.Array:
    """Return four-vectors from (pT, η, φ, mass), massless without mass, or from named values.

    The names are those of `vector`: `p4(px=…, py=…, pz=…, E=…)`, `p4(pt=…, eta=…, phi=…, E=…)`.
    """
    if values:
        massless = {} if "E" in named or "energy" in named else {"mass": 0.0}
        named = {**massless, **dict(zip(COORDINATES, values, strict=False)), **named}
    if not any(isinstance(value, ak.Array) for value in named.values()):
        raise Problem("p4() needs at least one column")
    if not all(_is_numeric(value) for value in named.values()):
        raise Problem("p4() takes numbers")
    try:
        made = vector.zip({name: _floats(value) for name, value in named.items()})
    except TypeError:
        made = None
    if made is None or not hasattr(made, "E"):
        raise Problem(f"p4() cannot make a four-vector of ({', '.join(named)})")
    return made


def _is_numeric(value: Any) -> bool:
    if isinstance(value, ak.Array):
        return kind(value) in ("float", "integer", "boolean")
    return not isinstance(value, str)


def _floats(value: Any) -> Any:
    return ak.values_astype(value, np.float64) if isinstance(value, ak.Array) else float(value)


def vector_property(value: Any, name: str) -> ak.Array:
    """Return a property of four-vectors, such as `mass` or `rapidity`."""
    if not is_vector(value):
        raise Problem(f"'.{name}' is a property of four-vectors, but this is not one")
    return getattr(value, PROPERTIES[name])


def delta_phi(first: Any, second: Any) -> Any:
    """Return φ₁ − φ₂ in [−π, π), in rad, of angles or of four-vectors."""
    angles = [vector_property(v, "phi") if is_vector(v) else v for v in (first, second)]
    return (angles[0] - angles[1] + np.pi) % (2 * np.pi) - np.pi


def delta_r(*values: Any) -> Any:
    """Return ΔR = √(Δη² + Δφ²) of two four-vectors, or of (η₁, φ₁, η₂, φ₂)."""
    if len(values) == 2:
        values = tuple(vector_property(v, name) for v in values for name in ("eta", "phi"))
    if len(values) != 4:
        raise Problem("deltaR() takes two four-vectors or (eta1, phi1, eta2, phi2)")
    eta1, phi1, eta2, phi2 = values
    return np.hypot(eta1 - eta2, delta_phi(phi1, phi2))
