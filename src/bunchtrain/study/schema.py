"""Schema of a study file: its keys with their types, defaults and descriptions.

The study reference in the documentation and the JSON schema are made from it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from bunchtrain import parts
from bunchtrain.errors import nearest, one_of, shorten
from bunchtrain.parts.ranges import (
    NUMBER,
    Dropout,
    Edges,
    Finite,
    InnerFraction,
    LearningRate,
    NonNegative,
    Positive,
    Repeats,
    Seed,
    Steps,
    WorkerCount,
)
from bunchtrain.study.names import FileName, Label
from bunchtrain.study.overrides import expand_scans
from bunchtrain.study.published import Published
from bunchtrain.targets import Assignment, Target
from bunchtrain.targets.target import PAIR_CLASSES, Axis

#: Keys of which a study lists several parts.
LISTS = ("loss", "calibration", "evaluation", "export")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(value: object) -> object:
    """Return a number of bytes from `2000000` or `2 GB`."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?B)\s*", str(value), re.IGNORECASE)
    if isinstance(value, str) and found:
        return int(float(found[1]) * _UNITS[found[2].upper()])
    return value


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=1, le=10**15)]
Expression = Annotated[
    str,
    Field(min_length=1, max_length=10_000),
    BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v),
]


class Strict(BaseModel):
    """A mapping whose unknown keys are errors that name the nearest key."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: object) -> object:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                known = nearest(str(key), cls.model_fields)
                hint = known or f"; the keys are {one_of(cls.model_fields)}"
                raise ValueError(f"unknown key '{shorten(key, plain=True)}'{hint}")
        return value


class Part(BaseModel):
    """A part by its name, with its options; a bare name is a part without options."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(
        description="Name of the part; `bunchtrain parts` lists them. A class in a file is named "
        "`./my_file.py:MyClass`, relative to the study file."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _full_path(self, info: ValidationInfo) -> Part:
        self.name = parts.absolute_name(self.name, (info.context or {}).get("folder"))
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options of the part, as the study gives them."""
        return dict(self.model_extra or {})


class Term(Part):
    """A term of the loss: a part, its target and its weight."""

    target: str | None = Field(
        None, description="Target of the term; may be left out if there is only one."
    )
    weight: Positive = Field(1.0, description="Factor on this term in the sum.")


class TargetConfig(Strict):
    """What is predicted of each event, point or edge: one of several classes, values, items."""

    classes: dict[Label, Expression] | None = Field(
        None,
        description="Class name → condition that selects it. Events of no class are left out; "
        "an event of two classes is an error. Each point needs a class.",
    )
    values: dict[Label, Expression] | None = Field(
        None, description="Name → expression to regress, one output each.", min_length=1
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


class Training(Strict):
    """How a network is trained."""

    epochs: Steps = Field(20, description="Maximum number of passes over the training set.")
    events: Annotated[int, Field(ge=2, le=10**12), NUMBER] | None = Field(
        None, description="Maximum number of training events; all if unset."
    )
    select: Expression | None = Field(
        None,
        description="Train and validate only on those of these events that fulfil this "
        "condition, in which true and false are 1 and 0; the test set is unchanged.",
    )
    batch_size: Steps = Field(256, description="Events in a global batch, of all workers.")
    learning_rate: LearningRate = Field(1e-3, description="Peak learning rate.")
    optimiser: Literal["adam", "adamw", "radam", "sgd"] = Field("adam", description="Optimiser.")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty of the optimiser.")
    schedule: Literal["constant", "cosine", "one_cycle", "plateau", "exponential"] = Field(
        "constant", description="Learning rate against steps."
    )
    warmup: Dropout = Field(0.0, description="Fraction of steps of linear warm-up.")
    patience: Steps | None = Field(
        None, description="Stop after this number of epochs without a better validation loss."
    )
    gradient_clip: Positive | None = Field(None, description="Largest norm of the gradient.")
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        "auto", description="Number format; auto: mixed bf16 on an accelerator, else 32."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d{1,3})?)$",
        description="Where networks are computed: auto takes a GPU if there is one; cpu, cuda, "
        "cuda:1 (the second GPU) or mps.",
    )
    engine: Part = Field(Part(name="local"), description="Where the training runs.")
    threads: WorkerCount | None = Field(None, description="CPU threads of a worker; all if unset.")
    logs: list[Literal["csv", "tensorboard", "mlflow"]] = Field(
        ["csv"], description="Where the curves are written."
    )


class ModelOverrides(Strict):
    """One model of a study: the keys that differ from the study's own."""

    representation: Part | None = Field(None, description="Replaces or extends the study's.")
    model: Part | None = Field(None, description="Replaces or extends the study's.")
    loss: list[Term] | None = Field(None, description="Replaces the study's.")
    posterior: Part | None = Field(None, description="Replaces or extends the study's.")
    calibration: list[Part] | None = Field(None, description="Replaces the study's.")
    training: dict[str, Any] = Field({}, description="Keys of `training` that differ.")
    seeds: Repeats | None = Field(None, description="Trainings; the study's if unset.")
    note: str = Field("", description="Printed next to its metrics, e.g. about a shorter training.")
    scan: dict[str, list[Finite]] | None = Field(
        None,
        description="One dotted key of this model → values: makes a model `<name>_<value>` for "
        "each value, e.g. {loss.disco.weight: [1, 10, 100]}.",
    )
    method: Part | None = Field(
        None, description="Replaces or extends the study's; instead of a model with targets."
    )
    curve: str | None = Field(
        None, description="Models of one name here share a curve in plots; a scan sets it."
    )
    strength: Finite | None = Field(None, description="Value of the scan; a scan sets it.")
    published: Published | None = Field(None, description="Published metrics of this model.")

    @model_validator(mode="before")
    @classmethod
    def _single_parts(cls, value: object) -> object:
        return _wrap_single(value)


class Ensemble(Strict):
    """A combination of the scores of several models, or a decorrelated score of one model."""

    of: list[str] = Field([], description="Names of the models; all if unset.")
    by: Literal["mean", "trained", "ddt", "quantile"] = Field(
        "mean",
        description="Mean of the scores (mean), or a logistic regression on their logits "
        "(trained); or the score of one model minus its cut of constant background efficiency as "
        "a function of the column `against`: a straight line (ddt) or any function (quantile). "
        "All but the mean are fitted on the validation set.",
    )
    against: str | None = Field(None, description="Spectator, for ddt and quantile.")
    efficiency: InnerFraction = Field(
        0.5, description="Signal efficiency of the cut, for ddt and quantile."
    )
    note: str = Field("", description="Printed next to its metrics.")
    published: Published | None = Field(None, description="Published metrics of this ensemble.")

    @property
    def flattens(self) -> bool:
        """Whether it removes the dependence of one score on a column."""
        return self.by in ("ddt", "quantile")


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


class Storage(Strict):
    """Folder of the node-local cache, and bound on memory."""

    folder: str | None = Field(
        None, description="Cache folder; $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain if unset."
    )
    memory: Bytes = Field(2 * 10**9, description="Bound on the memory for events, e.g. '2 GB'.")


class Study(Strict):
    """A study: data, targets, models, training and evaluations."""

    name: FileName = Field("study", description="Short name; the folder of its runs.")
    title: str = Field("", description="One line for the report; the name if unset.")
    description: str = Field("", description="A few sentences for the report.")
    references: list[str] = Field([], description="Papers and data sets.")
    note: str = Field("", description="Sentence printed next to the metrics.")
    seed: Seed = Field(1, description="Seed of all random numbers.")
    source: Part = Field(description="Where the events come from.")
    conditions: dict[FileName, Conditions] = Field(
        {},
        description="Small tables by name, such as geometry, noise or luminosity; in expressions "
        "`geometry.x[sensor_id]`.",
    )
    define: dict[str, Expression] = Field({}, description="New columns as expressions, in order.")
    select: Expression | None = Field(None, description="Condition that an event must fulfil.")
    rows: str | list[str] | None = Field(
        None,
        description="One row for each object of an event: the prefix of a group of lists (`Jet`) "
        "or of several objects (`[jet1, jet2]`); columns of the event are repeated. Rows of an "
        "event are kept together in the split.",
    )
    windows: Windows | None = Field(
        None, description="A row for each window of a series: the rows up to and including it."
    )
    targets: dict[FileName, TargetConfig] = Field(
        {}, description="What is predicted, by name; none for a method that needs no targets."
    )
    truth: dict[FileName, TargetConfig] = Field(
        {}, description="What only the evaluations use, by name, in the form of `targets`."
    )
    weights: Weights = Field(Weights(), description="Event weights in training.")
    split: Part = Field(Part(name="fraction"), description="Training, validation and test sets.")
    spectators: list[str] = Field(
        [],
        description="Columns that are stored with the predictions and are not inputs of models.",
    )
    invalid: Literal["raise", "clip", "impute", "drop"] = Field(
        "raise",
        description="What to do with NaN and infinity in inputs: raise an error with column and "
        "entry, clip infinities to the largest finite value and NaN to 0, impute the training "
        "median, or drop the event.",
    )
    representation: Part | None = Field(None, description="How events become tensors.")
    model: Part | None = Field(None, description="The network or the trees.")
    method: Part | None = Field(
        None,
        description="A method that is trained with a loss of its own, without targets, in place "
        "of `model`, e.g. autoencoder or normalizing_flow.",
    )
    loss: list[Term] | None = Field(
        None,
        description="Terms of the loss; if unset cross_entropy for classes and "
        "mean_squared_error for values.",
    )
    posterior: Part | None = Field(
        None,
        description="Distribution of the network's weights; point estimates if unset.",
    )
    calibration: list[Part] = Field(
        [],
        description="Post-hoc calibrations, fitted to the scores of the validation set in this "
        "order.",
    )
    training: Training = Field(Training(), description="How networks are trained.")
    models: dict[FileName, ModelOverrides] = Field(
        {},
        description="Several models on the same events; one, from the keys above, if unset. "
        "A model set to null, e.g. under `sizes`, is left out.",
    )
    seeds: Repeats = Field(
        1,
        description="Trainings of each model, with seed, seed + 1, …. Metrics are means over them; "
        "curves and ensembles use the first.",
    )
    ensembles: dict[FileName, Ensemble] = Field(
        {}, description="Combinations of models; one set to null is left out."
    )
    transforms: dict[FileName, Part] = Field(
        {},
        description="Name → a transform of the predictions of each model, such as "
        "`connected_components` of the predicted edges: the index of the object of each point, and "
        "a table of the objects.",
    )
    evaluation: list[Part] | None = Field(
        None,
        description="What is measured on the test set, in this order; if unset `classification` "
        "and `regression`, according to the targets. Evaluations that describe a run and "
        "need no options, such as `training_curves`, `input_distributions` and `model_comparison`, "
        "are made in every run for which they are defined.",
    )
    systematics: dict[FileName, Part] = Field(
        {},
        description="Name → a systematic effect with its size, for the evaluations "
        "`systematic_shift`, `response_curve` and `expected_sensitivity`.",
    )
    export: list[Part] = Field(
        [], description="Export targets of the trained models, checked before training."
    )
    storage: Storage = Field(Storage(), description="Cache and memory.")
    sizes: dict[Literal["demo", "small", "full"], dict[str, Any]] = Field(
        {}, description="Dotted overrides for each `--size`."
    )

    def all_targets(self) -> list[Target]:
        """Return the targets in their order, then those of the truth."""
        truth = [one.as_target(name, is_truth=True) for name, one in self.truth.items()]
        truth = [self._with_identifier(one) for one in truth]
        return [*self.predicted_targets(), *truth]

    def predicted_targets(self) -> list[Target]:
        """Return the targets in their order, without those of the truth."""
        found = [one.as_target(name) for name, one in self.targets.items()]
        return [self._with_identifier(one) for one in found]

    def _with_identifier(self, target: Target) -> Target:
        """Return a target with `same` as an expression, where it is the name of one with `ids`."""
        named = (self.targets | self.truth).get(target.same or "")
        return replace(target, same=named.ids) if named and named.ids else target

    @property
    def heading(self) -> str:
        """Heading of tables and reports."""
        return self.title or self.name

    @model_validator(mode="before")
    @classmethod
    def _expand(cls, value: object) -> object:
        return expand_scans(_without_empty(_wrap_single(value), "models", "ensembles"))


def _wrap_single(value: object) -> object:
    """Put a single part, where several may be given, into a list."""
    if not isinstance(value, dict):
        return value
    single = {k: value.get(k) for k in LISTS}
    return value | {k: [one] for k, one in single.items() if isinstance(one, str | dict)}


def _without_empty(value: object, *keys: str) -> object:
    """Leave out models and ensembles that a size or an override has set to null."""
    if not isinstance(value, dict):
        return value
    given = {key: value[key] for key in keys if isinstance(value.get(key), dict)}
    return value | {
        key: {name: one for name, one in named.items() if one is not None}
        for key, named in given.items()
    }
