"""A target: classes, values or assignments. The one type from study to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.targets.assignment import Assignment

#: What a row of a target, a tensor or a prediction belongs to.
Axis = Literal["event", "point", "edge"]
#: The same for outputs of networks; an assignment has one for each combination of points.
OutputAxis = Literal["event", "point", "edge", "combination"]
#: Classes of an edge by whether its two points have the same identifier.
PAIR_CLASSES = ("different", "same")


@dataclass(frozen=True)
class Target:
    """Classes with conditions, values or an assignment with expressions, for each row of an axis.

    name         of the target in the study.
    classes      names of the classes in the order of their indices; () for a regression.
    values       names of the regressed values in the order of their columns; () for classes.
    expressions  condition of each class, expression of each value, or of the index of the item of
                 each role; () where only the shape matters, as in a trained model.
    signal       signal class; the last one if None.
    axis         `event`, `point` for each point of the representation, or `edge` for each edge.
    ids          expression of the identifier of what each point belongs to, negative for nothing,
                 in place of classes or values.
    same         expression of an identifier of points: an edge is in the class `same` if both of
                 its points have the same one, and it is not negative; else in `different`.
    is_truth     whether only evaluations use it; events of none of its classes are kept.
    assignment   of the items of a group to particles, None for classes and values.
    group        prefix of the columns of the points that it belongs to, '' if unknown.
    """

    name: str
    classes: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    expressions: tuple[str, ...] = field(default=(), compare=False)
    signal: str | None = None
    axis: Axis = "event"
    same: str | None = field(default=None, compare=False)
    ids: str | None = field(default=None, compare=False)
    is_truth: bool = field(default=False, compare=False)
    assignment: Assignment | None = None
    group: str = field(default="", compare=False)

    @property
    def key(self) -> str:
        """Its key in the study, in messages."""
        return f"{'truth' if self.is_truth else 'targets'}.{self.name}"

    @property
    def identifier(self) -> str | None:
        """Expression of an identifier of each point, of a target with `ids` or `same`."""
        return self.ids or self.same

    @property
    def is_classification(self) -> bool:
        """Whether an event belongs to one of several classes."""
        return bool(self.classes)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, of the values, or of the roles of an assignment."""
        return self.classes or self.values or (self.assignment.roles if self.assignment else ())

    @property
    def output_axis(self) -> OutputAxis:
        """What a row of a network's outputs belongs to: that of the target, or a combination."""
        return self.axis if self.assignment is None else "combination"

    @property
    def content(self) -> str:
        """What it has, in messages."""
        if self.assignment:
            return "an assignment"
        return "classes" if self.classes else "values" if self.values else "identifiers"

    @property
    def signal_index(self) -> int:
        """Index of the signal class.

        Raises StudyError, naming the nearest class, if there is none of that name.
        """
        if self.signal is None:
            return len(self.classes) - 1
        if self.signal not in self.classes:
            hint = nearest(self.signal, self.classes) or f"; there are {one_of(self.classes)}"
            raise StudyError(f"{self.key}.signal: there is no class '{self.signal}'{hint}")
        return self.classes.index(self.signal)

    @property
    def background_indices(self) -> list[int]:
        """Indices of all classes but the signal."""
        return [k for k in range(len(self.classes)) if k != self.signal_index]

    def as_dict(self) -> dict[str, Any]:
        """Return the shape for JSON, without the expressions."""
        shape: dict[str, Any] = {"classes": list(self.classes)} if self.classes else {}
        shape |= {"values": list(self.values)} if self.values else {}
        shape |= {"axis": self.axis} if self.axis != "event" else {}
        shape |= {"same": self.same} if self.same else {}
        shape |= {"ids": self.ids} if self.ids else {}
        shape |= {"assignment": self.assignment.as_dict()} if self.assignment else {}
        return shape | ({"signal": self.signal} if self.signal else {})

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any]) -> Target:
        """Return the target that `as_dict` wrote."""
        classes, values = entry.get("classes") or (), entry.get("values") or ()
        axis: Axis = entry.get("axis", "event")
        more: dict[str, Any] = {key: entry.get(key) for key in ("same", "ids", "signal")}
        given = entry.get("assignment")
        assignment = Assignment.from_dict(given) if given else None
        return cls(name, tuple(classes), tuple(values), axis=axis, assignment=assignment, **more)
