"""The graph of a run's stages with their times, as SVG: each right of the stages that it reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

#: Width of the page's text, least and largest width of a box, its height and the gaps, in pixels.
PAGE, NARROWEST, WIDEST, HEIGHT, GAP, ROW_GAP = 1032, 106, 150, 40, 24, 8
#: Width of a character of a box's two lines in pixels.
_CHARACTER, _SMALL_CHARACTER = 7.6, 6.4
#: Offset of the boxes behind that of a repeated stage, and the margin of the drawing.
_BEHIND, _MARGIN = 3, 7


@dataclass(frozen=True)
class StageBox:
    """A stage of the graph.

    name       of the stage.
    kind       of the stage; a `repeat` is drawn as a pile.
    inputs     names of the stages that it reads.
    state      `ran`, `reused` or `failed`.
    time       that it took, e.g. `12 s`, written in the box.
    memory     peak memory of its process, e.g. `310 MB`.
    details    more about it, shown under the pointer.
    """

    name: str
    kind: str
    inputs: Sequence[str]
    state: str
    time: str
    memory: str = ""
    details: str = ""


def stage_graph(stages: Sequence[StageBox]) -> Markup:
    """Return the graph as the text of an SVG element.

    An arrow is left out where other arrows lead the same way.

    stages  in an order in which each comes after its inputs.
    """
    by_name = {stage.name: stage for stage in stages}
    inputs = _arrows(stages)
    columns = _columns(inputs, {stage.name: stage.kind for stage in stages})
    places, width, height = _places(columns)
    box = _width(len(columns))
    parts = [
        _arrow(places[source], places[name], box) for name in inputs for source in inputs[name]
    ]
    parts += [_box(by_name[name], *places[name], box) for name in places]
    return Markup(
        '<svg class="stages" role="img" aria-label="Stages of the run" '
        'width="{0}" height="{1}" viewBox="0 0 {0} {1}">{2}</svg>'
    ).format(width, height, Markup("").join(parts))


def _arrows(stages: Sequence[StageBox]) -> dict[str, list[str]]:
    """Return stage → its inputs without those that another of its inputs depends on."""
    before: dict[str, set[str]] = {}
    found = {}
    for stage in stages:
        known = [name for name in dict.fromkeys(stage.inputs) if name in before]
        indirect = set[str]().union(*(before[name] for name in known))
        found[stage.name] = [name for name in known if name not in indirect]
        before[stage.name] = indirect | set(known)
    return found


def _columns(inputs: Mapping[str, Sequence[str]], kinds: Mapping[str, str]) -> list[list[str]]:
    """Return the stages by the length of the longest path to them, by kind and near their inputs.

    inputs  in the order of the stages.
    """
    depth: dict[str, int] = {}
    for name, given in inputs.items():
        depth[name] = 1 + max((depth[one] for one in given), default=-1)
    columns: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=-1))]
    for name in inputs:
        columns[depth[name]].append(name)
    rows: dict[str, float] = {}
    for column in columns:
        order = list(dict.fromkeys(kinds[name] for name in column))
        means = {name: _mean([rows[one] for one in inputs[name]]) for name in column}
        column.sort(key=lambda name: (order.index(kinds[name]), means[name]))
        rows |= {name: row - len(column) / 2 for row, name in enumerate(column)}
    return columns


def _mean(rows: Sequence[float]) -> float:
    return sum(rows) / len(rows) if rows else 0.0


def _width(columns: int) -> int:
    """Return the width of a box so that all columns fit the page, if they can."""
    fitting = (PAGE - 2 * _MARGIN - GAP * (columns - 1)) // max(1, columns)
    return max(NARROWEST, min(WIDEST, fitting))


def _places(
    columns: Sequence[Sequence[str]],
) -> tuple[dict[str, tuple[float, float]], int, int]:
    """Return stage → its left upper corner, and the size of the drawing."""
    box, rows = _width(len(columns)), max(map(len, columns), default=0)
    step = HEIGHT + ROW_GAP
    places: dict[str, tuple[float, float]] = {
        name: (
            _MARGIN + index * (box + GAP),
            _MARGIN + (rows - len(column)) * step / 2 + row * step,
        )
        for index, column in enumerate(columns)
        for row, name in enumerate(column)
    }
    width = 2 * _MARGIN + len(columns) * (box + GAP) - GAP
    return places, width, 2 * _MARGIN + rows * step - ROW_GAP


def _arrow(start: tuple[float, float], end: tuple[float, float], box: int) -> Markup:
    x, y = start[0] + box, start[1] + HEIGHT / 2
    to_x, to_y = end[0], end[1] + HEIGHT / 2
    bend = GAP * 0.6
    curve = f"M{x:g} {y:g}C{x + bend:g} {y:g} {to_x - bend:g} {to_y:g} {to_x:g} {to_y:g}"
    return Markup('<path class="arrow" d="{}"/>').format(curve)


def _box(stage: StageBox, x: float, y: float, box: int) -> Markup:
    kind, _, name = stage.name.partition(".")
    label, below = (name, kind) if name else (kind, "" if kind == stage.kind else stage.kind)
    below = " · ".join(filter(None, (below, stage.time)))
    about = (f"{stage.name}: {stage.state}", stage.time, stage.details)
    behind = [
        Markup('<rect class="box" x="{}" y="{}" width="{}" height="{}" rx="5"/>').format(
            x + offset, y + offset, box, HEIGHT
        )
        for offset in ((2 * _BEHIND, _BEHIND) if stage.kind == "repeat" else ())
    ]
    return Markup(
        '<g class="{}"><title>{}</title>{}'
        '<rect class="box" x="{}" y="{}" width="{}" height="{}" rx="5"/>'
        '<rect class="state" x="{}" y="{}" width="4" height="{}" rx="2"/>'
        '<text x="{}" y="{}" class="name">{}</text><text x="{}" y="{}">{}</text></g>'
    ).format(
        stage.state,
        ", ".join(dict.fromkeys(filter(None, about))),
        Markup("").join(behind),
        *(x, y, box, HEIGHT),
        *(x, y, HEIGHT),
        *(x + 10, y + 17, _shorten(label, (box - 14) / _CHARACTER)),
        *(x + 10, y + 32, _shorten(below, (box - 14) / _SMALL_CHARACTER)),
    )


def _shorten(text: str, characters: float) -> str:
    return text if len(text) <= characters else f"{text[: int(characters) - 1]}…"
