"""Draft for hits: points with a position and a label of each, and edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bunchtrain.tables.inspect.class_counts import count_classes
from bunchtrain.tables.inspect.column_roles import (
    Roles,
    as_expression,
    has_label_name,
    has_momentum,
    is_true,
    words,
)
from bunchtrain.tables.inspect.draft_lines import Body, Decision, as_json
from bunchtrain.tables.inspect.first_target import class_name, literal
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles

#: Systems of coordinates of points, in the order of preference.
_COORDINATES = (
    *(("x", "y", "z"), ("r", "phi", "z"), ("rho", "phi", "z"), ("r", "phi", "eta")),
    *(("eta", "phi"), ("theta", "phi"), ("x", "y"), ("r", "phi"), ("x", "z"), ("y", "z")),
    *(("row", "column"), ("row", "col"), ("wire", "tick"), ("wire", "time"), ("channel", "time")),
)
#: Words of the identifier of what made a hit, and of its layer.
_OWNERS = {"particle", "track", "trk", "shower", "vertex", "vtx", "cluster", "tid", "mcp"}
_LAYERS = ("layer", "module", "plane", "station")
#: Suffixes of both ends of an edge.
_ENDS = (
    *(("first", "second"), ("source", "target"), ("src", "dst"), ("from", "to"), ("i", "j")),
    *(("sender", "receiver"), ("senders", "receivers"), ("start", "end"), ("0", "1")),
)
_MAX_CLASSES, _MAX_FEATURES, _MOST_POINTS = 12, 30, 10_000


@dataclass(frozen=True)
class Edges:
    """Edges of the data: prefix, both ends, and the classes of the label or {}."""

    prefix: str
    ends: tuple[str, str]
    classes: dict[str, str]
    features: list[str]


@dataclass(frozen=True)
class HitPoints:
    """A group of points, its label, and its edges.

    members  suffix → column; `label` is the column of the label, None if only edges have one.
    counts   rows of each value of the label, {} if they are too many: an identifier.
    owner    whether the label identifies what made a hit, else it has classes.
    """

    prefix: str
    members: Mapping[str, ColumnSummary]
    coordinates: tuple[str, ...]
    label: str | None
    counts: Mapping[Any, int]
    owner: bool
    edges: Edges | None

    @property
    def features(self) -> list[str]:
        """The suffixes of what was measured of a point."""
        found = [
            name
            for name, column in self.members.items()
            if column.name != self.label and _is_measured(name, column)
        ]
        return [*dict.fromkeys([*self.coordinates, *found])][:_MAX_FEATURES]

    @property
    def layer(self) -> str | None:
        """The suffix of the layer of a point."""
        return next((name for name in _LAYERS if name in self.members), None)


def find_points(
    opened: OpenedFiles, table: TableSummary, roles: Roles, target: str | None
) -> HitPoints | None:
    """Return the points with a position and a label of each, or of their edges; None without.

    target  column of the label; recognised if None.
    """
    for prefix, columns in roles.groups.items():
        members = {c.name[len(prefix) :].lstrip("_."): c for c in columns}
        coordinates = next((c for c in _COORDINATES if set(c) <= set(members)), None)
        if coordinates is None or has_momentum(prefix, columns):
            continue
        label, counts = _label(opened, members, coordinates, target)
        owner = _identifies(label, members, counts)
        if label is not None and not owner and not _classes("label", counts):
            label = None
        edges = _edges(opened, roles)
        if label is None and (edges is None or not edges.classes):
            continue
        return HitPoints(prefix, members, coordinates, label, counts, owner, edges)
    return None


def _label(
    opened: OpenedFiles,
    members: Mapping[str, ColumnSummary],
    coordinates: Sequence[str],
    target: str | None,
) -> tuple[str | None, dict[Any, int]]:
    """Return the column of the label of points, and the rows of its values if they are few."""
    if target is not None:
        chosen = [c for c in members.values() if c.name == target]
    else:
        rest = {name: c for name, c in members.items() if name not in coordinates}
        chosen = [c for name, c in rest.items() if has_label_name(name) or _is_owner(name)]
        chosen += [c for name, c in rest.items() if is_true(name) and c not in chosen]
    for column in chosen:
        if not column.is_integer or column.range is None or column.range[0] == column.range[1]:
            continue
        counts = count_classes(opened.tables, [column.name], _MAX_CLASSES)[column.name]
        return column.name, counts
    return None, {}


def _is_owner(name: str) -> bool:
    found = words(name)
    return bool(_OWNERS & set(found)) and found[0] != "n"


def _identifies(
    label: str | None, members: Mapping[str, ColumnSummary], counts: Mapping[Any, int]
) -> bool:
    """Return whether a label is an identifier: by its name, or since it has many values."""
    suffix = next((name for name, column in members.items() if column.name == label), "")
    return label is not None and (not counts or _is_owner(suffix))


def _is_measured(name: str, column: ColumnSummary) -> bool:
    varies = column.range is not None and column.range[0] < column.range[1]
    found = set(words(name))
    is_label = has_label_name(name) or is_true(name) or _is_owner(name)
    return varies and not is_label and not {"id", "index", "idx", "key", "weight"} & found


def _edges(opened: OpenedFiles, roles: Roles) -> Edges | None:
    for prefix, columns in roles.groups.items():
        members = {c.name[len(prefix) :].lstrip("_."): c for c in columns}
        ends = next((e for e in _ENDS if set(e) <= set(members)), None)
        if ends is None or not all(members[end].is_integer for end in ends):
            continue
        rest = {name: c for name, c in members.items() if name not in ends}
        labels = [c for name, c in rest.items() if has_label_name(name) or is_true(name)]
        classes: dict[str, str] = {}
        for column in labels[:1]:
            counts = count_classes(opened.tables, [column.name], _MAX_CLASSES)[column.name]
            classes = _classes(as_expression(column.name), counts)
        measured = [name for name, c in rest.items() if _is_measured(name, c)]
        return Edges(prefix, ends, classes, measured)
    return None


def _classes(name: str, counts: Mapping[Any, int]) -> dict[str, str]:
    """Return class → condition, {} if fewer than two values have enough rows.

    Every point needs a class: rare values are one class together.
    """
    enough = [value for value, rows in counts.items() if rows >= 10]
    if len(enough) < 2:
        return {}
    names = [class_name(str(value), n) for n, value in enumerate(enough)]
    if set(enough) == {0, 1}:
        names = ["background", "signal"]
    if len(set(names)) < len(names):
        names = [f"class_{n}" for n in range(len(enough))]
    made = {k: f"{name} == {literal(v)}" for k, v in zip(names, enough, strict=True)}
    if len(enough) < len(counts):
        made["other"] = " and ".join(f"{name} != {literal(v)}" for v in enough)
    return made


def points_body(table: TableSummary, roles: Roles, points: HitPoints) -> Body:
    """Return a study with an answer for each hit, and for each edge of a graph of hits."""
    group, targets, truth = points.prefix, list[str](), list[str]()
    defined = []
    if points.label is not None and not points.owner:
        classes = _classes(as_expression(points.label), points.counts)
        targets.append(f"  hit: {{on: {as_json(group)}, classes: {as_json(classes)}}}")
    elif points.label is not None:
        name, is_noise = as_expression(points.label), _has_noise(points)
        if is_noise:
            noise = {"noise": f"{name} < 0", "particle": f"{name} >= 0"}
            targets.append(f"  hit: {{on: {as_json(group)}, classes: {as_json(noise)}}}")
        if points.edges is None or not points.edges.classes:
            targets.append("  pair: {on: edge, same: owner}")
            ids = as_json(name)
            truth.append(f"truth: {{owner: {{on: {as_json(group)}, ids: {ids}}}}}")
            if not is_noise:
                truth.append("# If 0 is a hit of nothing: ids: where(ID == 0, -1, ID)")
    if points.edges is not None:
        ends = zip(("first", "second"), points.edges.ends, strict=True)
        prefix = points.edges.prefix
        defined += [
            f"  {as_json(f'{prefix}_{new}')}: {as_json(as_expression(f'{prefix}_{old}'))}"
            for new, old in ends
            if new != old
        ]
        if points.edges.classes:
            targets.append(f"  link: {{on: edge, classes: {as_json(points.edges.classes)}}}")
    has_pairs = bool(truth)
    lines = [
        f"# The group '{group}' has a position and no momentum: its items are hits, and a target",
        "# is predicted of each of them (`on`), or of each edge between two of them.",
        *(["define:", *defined] if defined else []),
        "targets:",
        *targets,
        *truth,
        "split:",
        "  name: fraction         # random fractions of events for training, validation and test",
        *([f"  key: {as_json([k.name for k in roles.keys])}"] if roles.keys else []),
        "",
        *(["invalid: impute"] if any(c.nans for c in table.columns) else []),
        *_representation(points),
        *_models(points),
        *(_tracks(points) if has_pairs else ["evaluation: [classification]"]),
    ]
    return Body(lines, _decisions(points, targets))


def _has_noise(points: HitPoints) -> bool:
    """Return whether some hits are of nothing, by a negative identifier."""
    edges = next(c.range for c in points.members.values() if c.name == points.label)
    return edges is not None and edges[0] < 0


def _representation(points: HitPoints) -> Iterator[str]:
    ends = [f"second_{name} - first_{name}" for name in points.coordinates]
    yield "representation:"
    if points.edges is not None:
        yield "  name: edge_list          # the edges of the data"
        yield f"  edges: {as_json(points.edges.prefix)}"
        ends += points.edges.features
    else:
        yield "  name: graph              # edges from the k nearest points in the coordinates"
        yield "  k: 6"
    yield f"  group: {as_json(points.prefix)}"
    yield f"  features: {as_json(points.features)}"
    yield f"  coordinates: {as_json(list(points.coordinates))}"
    yield f"  edge_features: {as_json(ends)}"
    yield f"  max_points: {_most_points(points.members.values())}"


def _most_points(columns: Sequence[ColumnSummary] | Any) -> int:
    longest = max((c.lengths[2] for c in columns if c.lengths), default=100)
    return min(_MOST_POINTS, max(100, int(1.5 * longest)))


def _models(points: HitPoints) -> Iterator[str]:
    yield "training: {epochs: 10, batch_size: 8, learning_rate: 2.0e-3}"
    yield "models:"
    yield "  graph: {model: {name: graph_network, width: 32, rounds: 3}}"
    if not points.owner and (points.edges is None or not points.edges.classes):
        cloud = {
            "name": "point_cloud",
            "group": points.prefix,
            "features": points.features,
            "coordinates": list(points.coordinates),
            "max_points": _most_points(points.members.values()),
        }
        yield "  deep_set:                # sees a point and the sum over the event"
        yield f"    representation: {as_json(cloud)}"
        yield "    model: particle_flow_network"
    yield ""


def _tracks(points: HitPoints) -> Iterator[str]:
    """Yield tracks from edges, beside a search without a network where hits have layers."""
    yield "transforms:"
    yield "  tracks: {name: connected_components, target: pair, threshold: 0.5}"
    places = [points.members[name].name for name in points.coordinates]
    baseline = ""
    if points.coordinates == ("x", "y", "z") and points.layer:
        places.append(points.members[points.layer].name)
        group, layer = as_json(points.prefix), as_json(points.layer)
        baseline = f", baseline: {{name: triplet_search, group: {group}, layer: {layer}}}"
        yield f"spectators: {as_json(places)}"
    yield "evaluation:"
    yield "- classification"
    yield f"- {{name: tracking_efficiency{baseline}}}"


def _decisions(points: HitPoints, targets: Sequence[str]) -> list[Decision]:
    axes = ", ".join(points.coordinates)
    found = [Decision("points", points.prefix, f"lists with a position ({axes}), no momentum")]
    if points.label is not None:
        what = "an identifier of what made a hit" if points.owner else "a label of each hit"
        kind = "noise or particle" if points.owner else f"{len(points.counts)} classes"
        kind = "none" if points.owner and not _has_noise(points) else kind
        found.append(Decision("target", f"of each hit: {kind}", f"'{points.label}' is {what}"))
    if points.edges is not None:
        first, second = points.edges.ends
        reason = f"'{points.edges.prefix}_{first}' and '_{second}' are indices of points"
        found.append(Decision("edges", points.edges.prefix, reason))
    else:
        found.append(Decision("edges", "6 nearest points", "the data have no list of edges"))
    if any("pair" in line for line in targets):
        found.append(Decision("target", "of each edge: same", "both ends have the same identifier"))
    return found
