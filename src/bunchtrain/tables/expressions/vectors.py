"""Four-vectors in expressions, using `vector`: E² = m² + p², in GeV."""

from __future__ import annotations

from functools import cache
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import fill_missing, kind
from bunchtrain.tables.expressions.lists import Problem

#: Name in an expression → attribute of a `vector` momentum.
PROPERTIES: dict[str, str] = {
    **{name: name for name in ("px", "py", "pz", "pt", "pt2", "eta", "phi", "mass", "mass2")},
    **{name: name for name in ("p", "p2", "theta", "rapidity", "beta", "gamma", "mt", "et")},
    **{"E": "E", "energy": "E", "e": "E", "m": "mass"},
}
COORDINATES = ("pt", "eta", "phi", "mass", "px", "py", "pz", "E", "energy", "theta")


@cache
def _library() -> Any:
    """Return the package `vector`, which takes a second to import."""
    import vector

    vector.register_awkward()
    return vector


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
        made = _library().zip({name: _floats(value) for name, value in named.items()})
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
    if isinstance(value, ak.Array):
        return fill_missing(ak.values_astype(value, np.float64))
    return float(value)


def vector_property(value: Any, name: str) -> ak.Array:
    """Return a property of four-vectors, such as `mass` or `rapidity`."""
    if not is_vector(value):
        raise Problem(f"'.{name}' is a property of four-vectors, but this is not one")
    return getattr(_with_behaviour(value), PROPERTIES[name])


def add(left: Any, right: Any) -> ak.Array:
    """Return the sum of two four-vectors."""
    left, right = _both(left, right)
    if "t" in (*ak.fields(left), *ak.fields(right)):
        left, right = _cartesian(left), _cartesian(right)
    return left + right


def subtract(left: Any, right: Any) -> ak.Array:
    """Return the difference of two four-vectors, whose energy may be negative."""
    left, right = _both(left, right)
    return _cartesian(left) - _cartesian(right)


def multiply(left: Any, right: Any) -> ak.Array:
    """Return the product of a four-vector and a number."""
    return scale(left, right) if is_vector(left) else scale(right, left)


def divide(left: Any, right: Any) -> ak.Array:
    """Return a four-vector divided by a number."""
    if not is_vector(left):
        raise Problem("a number cannot be divided by a four-vector")
    return scale(left, 1.0 / _factor(right))


def scale(value: ak.Array, factor: Any) -> ak.Array:
    """Return a four-vector times a number; a negative one changes the sign of the energy."""
    value, factor = _with_behaviour(value), _factor(factor)
    is_negative = np.any(factor < 0) if isinstance(factor, float) else ak.any(factor < 0, axis=None)
    return (_cartesian(value) if is_negative else value) * factor


def _factor(value: Any) -> Any:
    if is_vector(value) or not _is_numeric(value):
        raise Problem("four-vectors are multiplied and divided by numbers only")
    return _floats(value)


def _both(left: Any, right: Any) -> tuple[ak.Array, ak.Array]:
    if not (is_vector(left) and is_vector(right)):
        raise Problem("a four-vector is added to a number; use its .pt, .mass, ...")
    return _with_behaviour(left), _with_behaviour(right)


def _with_behaviour(value: ak.Array) -> ak.Array:
    """Return four-vectors that may have been made before `vector` was imported."""
    _library()
    return ak.Array(value)


def _cartesian(value: ak.Array) -> ak.Array:
    """Return four-vectors by px, py, pz and E: with a mass, `vector` takes E as positive."""
    if "t" in ak.fields(value) and "x" in ak.fields(value):
        return value
    return _library().zip({"px": value.px, "py": value.py, "pz": value.pz, "E": value.E})


def delta_phi(first: Any, second: Any) -> Any:
    """Return φ₁ − φ₂ in [−π, π), in rad, of angles or of four-vectors."""
    angles = [vector_property(v, "phi") if is_vector(v) else _number(v) for v in (first, second)]
    return (angles[0] - angles[1] + np.pi) % (2 * np.pi) - np.pi


def _number(value: Any) -> Any:
    """Return a number or numbers with a sign: unsigned integers would wrap in differences."""
    if not _is_numeric(value):
        raise Problem("an angle must be a number")
    return value if isinstance(value, ak.Array) and kind(value) == "float" else _floats(value)


def delta_r(*values: Any) -> Any:
    """Return ΔR = √(Δη² + Δφ²) of two four-vectors, or of (η₁, φ₁, η₂, φ₂)."""
    if len(values) == 2:
        values = tuple(vector_property(v, name) for v in values for name in ("eta", "phi"))
    if len(values) != 4:
        raise Problem("deltaR() takes two four-vectors or (eta1, phi1, eta2, phi2)")
    eta1, phi1, eta2, phi2 = map(_number, values)
    return np.hypot(eta1 - eta2, delta_phi(phi1, phi2))
