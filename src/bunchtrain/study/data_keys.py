"""Keys of a study about its data: targets, weights, windows and conditions."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bunchtrain.errors import nearest
from bunchtrain.parts.ranges import Edges, Positive, Steps
from bunchtrain.study.base import Expression, Strict
from bunchtrain.study.names import Label
from bunchtrain.targets import Assignment, Target
from bunchtrain.targets.target import PAIR_CLASSES, Axis


class TargetConfig(Strict):
    """What is predicted of each event, point or edge: one of several classes, values, items."""

    classes: dict[Label, Expression] | None = Field(
        None,
        description="Class name → condition that selects it. Events of no class are left out; "
        "an event of two classes is an error. Each point needs a class.",
        max_length=1000,
    )
    values: dict[Label, Expression] | None = Field(
        None,
        description="Name → expression to regress, one output each.",
        min_length=1,
        max_length=1000,
    )
    same: Expression | None = Field(
        None,
        description="Integer that identifies what a point belongs to, negative for nothing, or the "
        "name of a target with `ids`: an edge is `same` if both of its points have the same one, "
        "else `different`.",
    )
    ids: Expression | None = Field(
        None,
        description="Integer that identifies the true object of each point, e.g. the particle of a "
        "hit, negative for nothing; for evaluations, and as the name in `same`.",
    )
    assign: dict[Label, dict[Label, Expression] | Expression] | None = Field(
        None,
        description="Particle → product → index of the item of the group `on` that it is, counted "
        "from 0 in the list of the event, negative if it is missing; the index itself for a "
        "particle that is one item.",
        min_length=1,
    )
    symmetries: list[list[str]] = Field(
        [],
        description="What may be exchanged in an assignment: lists of particles (`[t1, t2]`) or of "
        "products of one (`[t1_q1, t1_q2]`).",
    )
    on: str = Field(
        "event",
        description="What it is predicted of: `event`, `edge`, or the group of the points of the "
        "representation, e.g. `track`; of an assignment, the group whose items are assigned.",
    )
    signal: str | None = Field(None, description="Signal class; the last one if unset.")

    @model_validator(mode="after")
    def _exactly_one(self) -> TargetConfig:
        given = (self.classes, self.values, self.same, self.ids, self.assign)
        if given.count(None) != len(given) - 1:
            raise ValueError("a target has one of 'classes', 'values', 'same', 'ids' and 'assign'")
        if self.same is not None and self.on != "edge":
            raise ValueError("'same' belongs to a target with 'on: edge'")
        if self.ids is not None and self.on in ("event", "edge"):
            raise ValueError("'ids' belongs to a target of points: 'on' the group of the points")
        if self.assign is not None and self.on in ("event", "edge"):
            raise ValueError("'assign' needs the group of its items as 'on', e.g. 'on: jet'")
        if self.symmetries and self.assign is None:
            raise ValueError("'symmetries' belongs to a target with 'assign'")
        _ = self.assignment  # raises for symmetries that do not fit
        if self.classes is not None and len(self.classes) < 2:
            raise ValueError("a target needs at least two classes")
        if self.signal is not None and self.signal not in (self.classes or {}):
            hint = nearest(self.signal, self.classes or {}) or "; only classes have a signal"
            raise ValueError(f"signal: there is no class '{self.signal}'{hint}")
        return self

    @property
    def labels(self) -> list[str]:
        """Names of the classes, values or roles of an assignment."""
        if self.assignment:
            return list(self.assignment.roles)
        return list(PAIR_CLASSES if self.same else self.classes or self.values or {})

    @property
    def assignment(self) -> Assignment | None:
        """The assignment, None for classes and values."""
        if self.assign is None:
            return None
        particles = tuple(
            (k, tuple(one) if isinstance(one, dict) else ()) for k, one in self.assign.items()
        )
        return Assignment(self.on, particles, tuple(map(tuple, self.symmetries)))

    @property
    def expressions(self) -> tuple[str, ...]:
        """Conditions of the classes, or expressions of values or roles, in their order."""
        if self.assign is None:
            return tuple((self.classes or self.values or {}).values())
        given = [one.values() if isinstance(one, dict) else [one] for one in self.assign.values()]
        return tuple(text for of_particle in given for text in of_particle)

    @property
    def axis(self) -> Axis:
        """What a row of the target belongs to; an assignment has one for each event."""
        if self.assign is not None or self.on == "event":
            return "event"
        return "edge" if self.on == "edge" else "point"

    def as_target(self, name: str, *, is_truth: bool = False) -> Target:
        """Return the target with its expressions."""
        return Target(
            name,
            tuple(self.labels) if self.classes or self.same else (),
            tuple(self.values or ()),
            self.expressions,
            self.signal,
            self.axis,
            self.same,
            self.ids,
            is_truth,
            self.assignment,
            self.on if self.axis == "point" else "",
        )


class Reweight(Strict):
    """Make the spectra of all classes in some variables equal to that of one class."""

    variables: dict[str, Edges] = Field(
        description="Column → bin edges; several columns make a many-dimensional histogram.",
        min_length=1,
    )
    reference: str = Field(description="Class to whose spectrum the other classes are reweighted.")
    limit: Annotated[float, Field(ge=1, le=1e12)] = Field(
        10.0, description="Largest factor of this reweighting on the weight of an event."
    )


class Weights(Strict):
    """Event weights in training; metrics use `event` alone."""

    event: Expression | None = Field(None, description="Expression for the event weight.")
    balance: bool = Field(False, description="Scale every class to the same sum of weights.")
    reweight: Reweight | None = Field(None, description="Flatten spectra, e.g. in (pT, η).")
    negative: Literal["raise", "keep", "absolute", "drop"] = Field(
        "raise",
        description="What to do with events of negative weight: raise an error, keep them, use "
        "the absolute value, or drop the event.",
    )
    luminosity_scale: Positive = Field(
        1.0,
        description="Factor on event weights in evaluations, for which sums of weights are the "
        "expected numbers of events s and b.",
    )


class Windows(Strict):
    """Windows of a series whose rows are in the order of time."""

    length: Steps = Field(description="Rows of a window.")
    step: Steps = Field(1, description="Rows from one window to the next.")
    series: str | None = Field(
        None, description="Column that identifies a series, e.g. an experiment; one if unset."
    )
    time: str | None = Field(None, description="Column that must not decrease in a series.")
    max_gap: float | None = Field(
        None,
        gt=0,
        le=1e18,
        description="Largest difference of `time` between rows of a window, in seconds for times.",
    )
    scale: Steps | None = Field(
        None,
        description="Rows at the beginning of each series by whose mean and standard deviation "
        "the windows of the series are standardised.",
    )
    columns: list[str] = Field(
        [], description="Columns made into windows `window_<column>`; all numbers if empty."
    )


class Conditions(Strict):
    """A small table that travels with the events; expressions look up `name.column[key]`."""

    files: str | list[str] | None = Field(
        None,
        description="File of the table, of any format that is read; the one that lies beside the "
        "source's file if unset.",
    )
    tree: str | None = Field(None, description="Tree, data set or key in the file.")
    key: str | list[str] = Field(
        [],
        description="Columns with integers or texts that identify a row, up to three; those that "
        "the file states if unset.",
    )
    units: str | dict[str, Any] | None = Field(
        None, description="Units of its columns, as those of the source `files`."
    )
    missing: Literal["raise", "nan"] = Field(
        "raise", description="Whether an unknown key is an error, or gives NaN, false or ''."
    )
