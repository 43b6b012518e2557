"""By what the points of a display are coloured: truth, predictions, or columns of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bunchtrain.displays.encoding import encode_column
from bunchtrain.displays.groups import PARTICLES, SIZES, Floats, Group

#: Columns with the number of what a point belongs to.
IDS = ("particle", "particle_id", "track", "track_id", "shower", "cluster", "vertex", "mc_particle")
#: Classes of particles by their number of the Particle Data Group.
CLASSES = {
    "charged hadron": (211, 321, 2212, 3112, 3222, 3312, 3334, 411, 431, 521),
    "neutral hadron": (111, 130, 310, 2112, 3122, 3322, 311, 421, 511, 531, 221, 223, 113, 331),
    "photon": (22,),
    "electron": (11,),
    "muon": (13,),
    "neutrino": (12, 14, 16),
    "tau": (15,),
    "quark or gluon": (1, 2, 3, 4, 5, 6, 21),
    "W, Z, H": (23, 24, 25),
}
OTHER = "other"
#: Largest identifier that float32 holds; larger ones are shown by their rank.
MAX_ID = 2**24
#: Fraction of the points of a predicted object that have to be of one true one.
PURITY = 0.7


@dataclass(frozen=True, eq=False)
class Colouring:
    """A colour for each point of a group.

    title   name of the choice.
    group   name of the group.
    kind    `id`: a colour for each object, −1 for none, −2 for an object of no true one;
            `category`: a class index; `value`: a colour scale.
    values  (points,), None for one category `index` for all.
    labels  of categories.
    role    whether it is the truth, a prediction, or a column of the data.
    unit    of values.
    edges   `first`, `second`, `right`, (edges,) each: lines between points, and whether both ends
            belong together; None for none.
    index   of the category of all points.
    extends whether `values` may end before the last point; the others are of no category.
    """

    title: str
    group: str
    kind: Literal["id", "category", "value"]
    values: Floats | None
    labels: tuple[str, ...] = ()
    role: Literal["truth", "prediction", "data"] = "data"
    unit: str = ""
    edges: Mapping[str, NDArray[Any]] | None = None
    index: int = 0
    extends: bool = False


def match_objects(predicted: Floats, truth: Floats) -> Floats:
    """Return for each point the true object of its predicted one, so that colours agree.

    That is the true object of at least 70 % of the points of the predicted one, else −2; −1 for
    points of no predicted object. The pieces of a true object that was split have its number.

    predicted  (points,) number of the predicted object, negative for none.
    truth      (points,) number of the true object, negative for none.
    """
    found = np.full(len(predicted), -1.0)
    for one in np.unique(predicted[predicted >= 0]):
        rows = predicted == one
        ids, counts = np.unique(truth[rows], return_counts=True)
        best = int(np.argmax(np.where(ids >= 0, counts, 0)))
        is_true = ids[best] >= 0 and counts[best] >= PURITY * rows.sum()
        found[rows] = ids[best] if is_true else -2
    return found


def automatic(group: Group, given: Sequence[Colouring]) -> list[Colouring]:
    """Return the colourings that the columns of a group give: objects, particles, energy, pT."""
    found = []
    taken = {one.title for one in given}
    has_truth = any(one.kind == "id" for one in given)
    if (name := group.find(IDS)) is not None and not has_truth and name in group.integers:
        found.append(Colouring(name, group.name, "id", group.columns[name]))
    if (name := group.find(PARTICLES)) is not None:
        labels = (*CLASSES, OTHER)
        of = {number: k for k, one in enumerate(CLASSES.values()) for number in one}
        index = [of.get(abs(int(v)), len(CLASSES)) for v in np.nan_to_num(group.columns[name])]
        values = np.array(index, np.float64)
        found.append(Colouring("kind of particle", group.name, "category", values, labels))
    if (name := group.find(("charge", "q"))) is not None and name in group.integers:
        values = np.clip(group.columns[name], -1, 1) + 1
        labels = ("negative", "neutral", "positive")
        found.append(Colouring("charge", group.name, "category", values, labels))
    momentum = (group.momentum.get("pt"),) if "pt" in group.momentum else ()
    for name in (group.find(SIZES), *momentum, group.find(("time", "t", "layer", "module"))):
        if name is not None and name not in taken | {one.title for one in found}:
            unit = group.units.get(name, "")
            found.append(Colouring(name, group.name, "value", group.columns[name], unit=unit))
    return found


def rule(one: Colouring, values: Floats | None, columns: dict[str, Any]) -> dict[str, Any]:
    """Return a colouring for the script; its values become a hidden column of the group."""
    made: dict[str, Any] = {"kind": one.kind, "title": one.title, "role": one.role}
    if values is None:
        return made | {"labels": list(one.labels), "index": one.index}
    name = f"colour {one.title}"
    if one.kind == "id":
        values = np.nan_to_num(values, nan=-1)
        known = np.unique(values[values >= 0])
        small = np.maximum(values, -2)
        if len(known) and known[-1] > MAX_ID:
            small = np.where(values >= 0, np.searchsorted(known, values), small)
        columns[name] = encode_column(small) | {"derived": True}
        of_each = np.unique(values[values >= 0], return_counts=True)[1] if len(known) else [0]
        what = "a colour for each, that of its particle in the truth"
        text = what if one.role == "prediction" else "a colour for each"
        fake = {"fake": "of no particle"} if (small == -2).any() else {}
        lines = bool(np.median(of_each) <= 40)
        return made | {"column": name, "text": text, "none": "none", "lines": lines, **fake}
    columns[name] = encode_column(values) | {"derived": True}
    if one.kind == "category":
        used = set(values[np.isfinite(values)].astype(int))
        labels = [label if k in used else None for k, label in enumerate(one.labels)]
        return made | {"column": name, "labels": labels}
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    is_log = low >= 0 and high > 0 and bool(np.median(finite) < high / 30)
    if is_log:
        low = max(float(np.quantile(finite[finite > 0], 0.02)), high * 1e-5)
    return made | {"column": name, "range": [low, high], "unit": one.unit, "log": is_log}
