"""The panels of a display: which columns they show, with which axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.displays.decay_tree import layout, particle_name
from bunchtrain.displays.encoding import encode, encode_column
from bunchtrain.displays.groups import LAYERS, MOTHERS, PARTICLES, SIZES, Floats, Group
from bunchtrain.displays.outlines import outlines
from bunchtrain.displays.reading import Event

#: Angles in degrees of the wires of the views of liquid-argon detectors, against y.
WIRES = {"U": 60.0, "V": -60.0, "W": 0.0}
#: Rows and columns below which lists of lists are no image.
MIN_PIXELS = 8
#: Largest ratio of the sides of the box of a view in space, beyond which short ones are enlarged.
MAX_RATIO = 3.0


def position_panels(
    group: Group,
    encoded: dict[str, Any],
    index: int,
    choices: Sequence[str],
    beside: Sequence[str],
    event: Event,
) -> list[dict[str, Any]]:
    """Return the views of points in space: 3-D, (x, y), (z, r), layers; wires for voxels.

    encoded  the group for the script, which gets the derived columns r and φ.
    beside   colourings of the truth and of a prediction, one view in space each.
    """
    assert group.position
    nx, ny, nz = group.position
    x, y, z = (group.columns[name] for name in group.position)
    unit = group.units.get(nx, "")
    label = {name: f"{name} ({unit})" if unit else name for name in group.position}
    columns, radius = encoded["columns"], _add_derived(group, encoded["columns"])
    shapes = outlines(event)
    common: dict[str, Any] = {"choices": list(choices), "lines": True}
    views = list(beside) or list(choices[:1]) or [""]
    space = common | {
        "sets": [{"group": index, "axes": [nz, ny, nx], **radius}],
        "labels": [label[nz], label[ny], label[nx]],
        "linked": index,
        "outlines": shapes["space"],
    }
    found = _space_views(space, f"{group.name}s in space", views, _scale(x, y, z))
    plane = common | {"kind": "plane", "colouring": views[-1]}

    def flat(title: str, a: str, b: str, labels: list[str], **more: Any) -> dict[str, Any]:
        sets = [{"group": index, "axes": [a, b], **radius}]
        return plane | {"title": title, "sets": sets, "labels": labels, **more}

    found.append(flat("r–φ", nx, ny, [label[nx], label[ny]], equal=True, outlines=shapes["xy"]))
    of_r = f"r, sign of {ny}{f' ({unit})' if unit else ''}"
    found.append(flat("r–z", nz, "ev_r", [label[nz], of_r], outlines=shapes["rz"]))
    if (layer := group.find(LAYERS)) is not None:
        columns.setdefault(layer, encode_column(group.columns[layer], integer=True))
        found.append(flat("Layers", layer, "ev_phi", [layer, "φ (rad)"]))
    if group.name.lower() in ("voxel", "voxels", "deposit", "spacepoint"):
        found += _wire_views(flat, columns, x, y, z, unit)
    return found


def _add_derived(group: Group, columns: dict[str, Any]) -> dict[str, str]:
    """Add r, φ and the size of the points to the columns, and return the name of the size."""
    x, y, _ = (group.columns[name] for name in group.position or ())
    columns["ev_r"] = encode_column(np.hypot(x, y) * np.where(y < 0, -1, 1)) | {"derived": True}
    columns["ev_phi"] = encode_column(np.arctan2(y, x)) | {"derived": True}
    size = group.find(SIZES)
    if size is None or size in group.integers or not (group.columns[size] >= 0).all():
        return {}
    columns.setdefault(size, encode_column(group.columns[size], group.units.get(size, "")))
    return {"radius": size}


def _space_views(
    space: dict[str, Any], title: str, views: Sequence[str], scale: tuple[list[float], str]
) -> list[dict[str, Any]]:
    """Return a view in space for each colouring, side by side."""
    (x, y, z), enlarged = scale
    made = space | {"kind": "space", "scale": [z, y, -x], "hint": enlarged}
    made["size"] = "half" if len(views) > 1 else "full"
    return [made | {"title": f"{title}{_named(views, one)}", "colouring": one} for one in views]


def _wire_views(
    flat: Any, columns: dict[str, Any], x: Floats, y: Floats, z: Floats, unit: str
) -> list[dict[str, Any]]:
    """Return the views of wires at 60°, −60° and 0° to y, against the drift along x."""
    found, shown = [], f" ({unit})" if unit else ""
    columns["ev_drift"] = encode_column(x) | {"derived": True}
    for name, angle in WIRES.items():
        turn = np.deg2rad(angle)
        columns[f"ev_{name}"] = encode_column(z * np.cos(turn) + y * np.sin(turn)) | {
            "derived": True
        }
        labels = [f"{name} = z cos {angle:.0f}° + y sin {angle:.0f}°{shown}", f"drift x{shown}"]
        found.append(flat(f"Wires {name}", f"ev_{name}", "ev_drift", labels))
    return found


def _named(views: Sequence[str], one: str) -> str:
    return f": {one}" if len(views) > 1 else ""


def _scale(x: Floats, y: Floats, z: Floats) -> tuple[list[float], str]:
    """Return the scales of x, y and z, and what is said of them where they differ."""
    across = max(np.ptp(x), np.ptp(y)) if len(x) else 0.0
    along = np.ptp(z) if len(z) else 0.0
    if not across or not along:
        return [1.0, 1.0, 1.0], ""
    if along > MAX_RATIO * across:
        factor = float(f"{along / across / MAX_RATIO:.2g}")
        return [factor, factor, 1.0], f"x and y enlarged × {factor:g}"
    if across > MAX_RATIO * along:
        factor = float(f"{across / along / MAX_RATIO:.2g}")
        return [1.0, 1.0, factor], f"z enlarged × {factor:g}"
    return [1.0, 1.0, 1.0], ""


def momentum_panels(
    sets: Sequence[tuple[int, Floats, Floats]], choices: Sequence[str], unit: str, small: bool
) -> list[dict[str, Any]]:
    """Return the (η, φ) plane, with areas as pT, and the same with pT as height.

    sets   index of a group, η and φ of its points (points,).
    small  whether other views are the main ones.
    """
    eta = np.concatenate([one[1] for one in sets])
    phi = np.concatenate([one[2] for one in sets])
    is_jet = bool(len(eta)) and float(np.ptp(phi)) < 2.5 and float(np.ptp(eta)) < 2.5
    reach = max(float(np.abs(eta).max(initial=0)) * 1.05, 2.5)
    limits = None if is_jet else [[-reach, reach], [-np.pi, np.pi]]
    common = {"choices": list(choices), "colouring": choices[0] if choices else ""}
    plane: dict[str, Any] = common | {
        "kind": "plane",
        "title": "η–φ, areas as pT",
        "size": "small" if small else "half",
        "sets": [
            {"group": index, "axes": ["ev_eta", "ev_phi"], "radius": "ev_pt"} for index, *_ in sets
        ],
        "labels": ["η", "φ (rad)"],
        "disc": 0.075 if is_jet else 0.045,
        "equal": is_jet,
    }
    if limits:
        plane["range"] = limits
    if small:
        return [plane]
    tower = common | {
        "kind": "space",
        "title": "pT as height",
        "size": "half",
        "linked": "momenta",
        "sets": [{"group": index, "axes": ["ev_eta", "ev_pt", "ev_phi"]} for index, *_ in sets],
        "stems": True,
        "scale": _tower_scale(sets, eta, phi),
        "labels": ["η", f"pT ({unit})" if unit else "pT", "φ"],
        "pitch": 0.5,
    }
    return [plane, tower]


def _tower_scale(sets: Sequence[Any], eta: Floats, phi: Floats) -> list[float]:
    """Return scales for a floor of about equal sides; that of the height is set by the script."""
    sides = [max(float(np.ptp(one)), 1e-6) if len(one) else 1.0 for one in (eta, phi)]
    return [1 / sides[0], 0.0, -1 / sides[1]]


def tree_panel(
    group: Group, encoded: dict[str, Any], index: int, choices: Sequence[str]
) -> dict[str, Any]:
    """Return the decay tree of particles with the index of their mother."""
    mother, kind = group.find(MOTHERS), group.find(PARTICLES)
    assert mother
    parents = np.where(np.isfinite(group.columns[mother]), group.columns[mother], -1)
    depth, place, parents = layout(parents.astype(np.int64))
    columns = encoded["columns"]
    for name, values in (("ev_depth", depth), ("ev_place", -place), ("ev_mother", parents)):
        columns[name] = encode_column(values) | {"derived": True}
    numbers = group.columns[kind] if kind else np.arange(len(group))
    names = [particle_name(int(one)) if kind else str(int(one)) for one in numbers]
    return {
        "kind": "tree",
        "title": f"Decay tree of {group.name}",
        "size": "full",
        "sets": [{"group": index, "axes": ["ev_depth", "ev_place"]}],
        "mother": "ev_mother",
        "names": names,
        "labels": ["", ""],
        "choices": list(choices),
        "colouring": choices[0] if choices else "",
    }


def image_panels(event: Event, pixels: int, notes: list[str]) -> list[dict[str, Any]]:
    """Return a panel for each image of the event: (rows, columns) or (views, rows, columns)."""
    found = []
    for name in event.schema:
        views = _matrix(event.columns[name])
        if views is None:
            continue
        views = views[None] if views.ndim == 2 else views
        if views.shape[-1] <= 4 < views.shape[0]:  # channels last
            views = np.moveaxis(views, -1, 0)
        if views[0].size > pixels:
            notes.append(f"'{name}' is not shown: {views[0].size:,} pixels exceed {pixels:,}.")
            continue
        for number, view in enumerate(views[:8]):
            shown = f"{name}, view {number}" if len(views) > 1 else name
            found.append(_image(shown, view, len(views)))
    return found


def _matrix(values: Any) -> Floats | None:
    """Return an image (rows, columns) or several as numpy, None for lists of other shapes."""
    if not isinstance(values, ak.Array) or values.ndim not in (2, 3):
        return None
    try:
        found = np.asarray(ak.to_numpy(values), np.float64)
    except ValueError:  # lists of several lengths
        return None
    first = found.ndim == 3 and min(found.shape[:2]) >= MIN_PIXELS  # channels last
    return found if first or min(found.shape[-2:]) >= MIN_PIXELS else None


def _image(title: str, view: Floats, views: int) -> dict[str, Any]:
    values = np.nan_to_num(view.ravel())
    kept = np.flatnonzero(values)
    return {
        "kind": "image",
        "title": title,
        "size": "full" if views == 1 else "half" if views == 2 else "small",
        "shape": list(view.shape),
        "at": encode(kept),
        "values": encode(values[kept]),
        "empty": 0,
        "levels": [float(values.min()), float(values.max())],
        "labels": ["column", "row"] if view.shape[0] < 32 else ["sample", "wire"],
    }
