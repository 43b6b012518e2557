"""A target: classes or values of events, points or edges. The one type from study to export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from bunchtrain.errors import StudyError, nearest, one_of

#: What a row of a target, a tensor or a prediction belongs to.
Axis = Literal["event", "point", "edge"]
#: Classes of an edge by whether its two points have the same identifier.
PAIR_CLASSES = ("different", "same")


@dataclass(frozen=True)
class Target:
    """Classes with their conditions, or values with their expressions, for each row of an axis.

    name         of the target in the study.
    classes      names of the classes in the order of their indices; () for a regression.
    values       names of the regressed values in the order of their columns; () for classes.
    expressions  condition of each class, or expression of each value; () where only the shape
                 matters, as in a trained model.
    signal       signal class; the last one if None.
    axis         `event`, `point` for each point of the representation, or `edge` for each edge.
    ids          expression of the identifier of what each point belongs to, negative for nothing,
                 in place of classes or values.
    same         expression of an identifier of points: an edge is in the class `same` if both of
                 its points have the same one, and it is not negative; else in `different`.
    is_truth     whether only evaluations use it; events of none of its classes are kept.
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
        """Names of the classes, or of the values."""
        return self.classes or self.values

    @property
    def signal_index(self) -> int:
        """Index of the signal class.

        Raises StudyError, naming the nearest class, if there is none of that name.
        """
        if self.signal is None:
            return len(self.classes) - 1
        if self.signal not in self.classes:
            hint = nearest(self.signal, self.classes) or f"; there are {one_of(self.classes)}"
            raise StudyError(f"targets.{self.name}.signal: there is no class '{self.signal}'{hint}")
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
        return shape | ({"signal": self.signal} if self.signal else {})

    @classmethod
    def from_dict(cls, name: str, entry: Mapping[str, Any]) -> Target:
        """Return the target that `as_dict` wrote."""
        classes, values = entry.get("classes") or (), entry.get("values") or ()
        axis: Axis = entry.get("axis", "event")
        ids = {key: entry.get(key) for key in ("same", "ids", "signal")}
        return cls(name, tuple(classes), tuple(values), axis=axis, **ids)
