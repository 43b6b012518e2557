"""What a study file says, as types: the one place where its keys are written down.

Nothing is opened here. Every key has a description, from which the study reference in the
documentation and the JSON schema are made.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bunchtrain.errors import nearest, one_of
from bunchtrain.study.scans import expanded

_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(value: object) -> object:
    """Return a number of bytes from `2000000` or `2 GB`."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?B)\s*", str(value), re.IGNORECASE)
    if isinstance(value, str) and found:
        return int(float(found[1]) * _UNITS[found[2].upper()])
    return value


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(gt=0)]
Expression = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]


class Strict(BaseModel):
    """A mapping whose unknown keys are refused, with the nearest one named."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: object) -> object:
        for key in value if isinstance(value, dict) else ():
            if key not in cls.model_fields:
                known = nearest(str(key), cls.model_fields)
                hint = known or f"; the keys are {one_of(cls.model_fields)}"
                raise ValueError(f"unknown key '{key}'{hint}")
        return value


class Part(BaseModel):
    """A part by its name, with its options beside it; a bare name stands for no options."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(description="Name of the part; `bunchtrain parts` lists them.")

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @property
    def options(self) -> dict[str, Any]:
        """The options of the part, as the study gives them."""
        return dict(self.model_extra or {})


class Term(Part):
    """An objective, the target that it looks at, and its share of the loss."""

    target: str | None = Field(None, description="Target that it acts on; the only one if unset.")
    weight: float = Field(1.0, description="Factor on this term in the sum.", gt=0)


class Target(Strict):
    """What is to be predicted: a class or numbers."""

    classes: dict[str, Expression] | None = Field(
        None,
        description="Class name → condition that selects it. Events of no class are left out; "
        "an event of two classes is an error.",
    )
    values: dict[str, Expression] | None = Field(
        None, description="Name → expression to regress, one output each.", min_length=1
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Target:
        if (self.classes is None) == (self.values is None):
            raise ValueError("a target has either 'classes' or 'values'")
        if self.classes is not None and len(self.classes) < 2:
            raise ValueError("a target needs at least two classes")
        return self


class Reweight(Strict):
    """Make the spectra of all classes in some variables equal to that of one class."""

    variables: dict[str, list[float]] = Field(
        description="Column → bin edges; several columns make a many-dimensional histogram.",
        min_length=1,
    )
    reference: str = Field(description="Class whose spectrum the others are given.")
    limit: float = Field(10.0, description="Largest factor that an event can get.", gt=0)


class Weights(Strict):
    """How much each event counts in training; the figures use `event` alone."""

    event: Expression | None = Field(None, description="Expression of the event weight.")
    balance: bool = Field(False, description="Scale every class to the same sum of weights.")
    reweight: Reweight | None = Field(None, description="Flatten spectra, as in (pT, η).")
    negative: Literal["refuse", "keep", "absolute", "drop"] = Field(
        "refuse", description="What to do with events of negative weight."
    )


class Training(Strict):
    """How a network is trained."""

    epochs: int = Field(20, ge=1, description="Passes over the training set at most.")
    events: int | None = Field(
        None, ge=1, description="Use only so many events of the training set; all if unset."
    )
    select: Expression | None = Field(
        None,
        description="Train and validate only on those of these events that fulfil this "
        "condition, in which true and false are 1 and 0; the test set stays whole.",
    )
    batch_size: int = Field(256, ge=1, description="Events in a global batch, of all workers.")
    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate.")
    optimiser: Literal["adam", "adamw", "radam", "sgd"] = Field("adam", description="Optimiser.")
    weight_decay: float = Field(0.0, ge=0, description="L2 penalty of the optimiser.")
    schedule: Literal["constant", "cosine", "one_cycle", "plateau", "exponential"] = Field(
        "constant", description="Learning rate against steps."
    )
    warmup: float = Field(0.0, ge=0, lt=1, description="Fraction of steps of linear warm-up.")
    patience: int | None = Field(
        None, ge=1, description="Stop after so many epochs without a better validation loss."
    )
    gradient_clip: float | None = Field(None, gt=0, description="Largest norm of the gradient.")
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        "auto", description="Number format; auto: mixed bf16 on an accelerator, else 32."
    )
    engine: Part = Field(Part(name="local"), description="Where it runs.")
    threads: int | None = Field(None, ge=1, description="CPU threads of a worker; all if unset.")
    logs: list[Literal["csv", "tensorboard", "mlflow"]] = Field(
        ["csv"], description="Where the curves are written."
    )


class Published(Strict):
    """A published figure to stand beside ours."""

    source: str = Field(description="Paper or table, as 'arXiv:1902.09914, Table 1'.")
    auc: float | None = Field(None, description="Area under the ROC curve.")
    accuracy: float | None = Field(None, description="Fraction of right decisions.")
    rejection: dict[float, float | tuple[float, float]] = Field(
        {}, description="Signal efficiency → 1/ε_B, or [1/ε_B, its error]."
    )
    lut: float | None = Field(None, description="Look-up tables of its circuit.")
    dsp: float | None = Field(None, description="Multipliers (DSP) of its circuit.")
    cycles: float | None = Field(None, description="Latency of its circuit in clock cycles.")


class ModelOverrides(Strict):
    """One network of a study: what differs from the study's own keys."""

    representation: Part | None = Field(None, description="Replaces or extends the study's.")
    model: Part | None = Field(None, description="Replaces or extends the study's.")
    loss: list[Term] | None = Field(None, description="Replaces the study's.")
    posterior: Part | None = Field(None, description="Replaces or extends the study's.")
    calibration: list[Part] | None = Field(None, description="Replaces the study's.")
    training: dict[str, Any] = Field({}, description="Keys of `training` that differ.")
    seeds: int | None = Field(None, ge=1, description="Trainings; the study's if unset.")
    note: str = Field("", description="Printed beside its figures, as on a shorter training.")
    scan: dict[str, list[float]] | None = Field(
        None,
        description="One dotted key of this member → values: makes a member `<name>_<value>` of "
        "each, as {loss.1.weight: [1, 10, 100]}.",
    )
    method: str | None = Field(
        None, description="What it shares a curve with where strengths are drawn; a scan sets it."
    )
    strength: float | None = Field(None, description="Value of the scan; a scan sets it.")
    published: Published | None = Field(None, description="Published figures of this network.")

    @model_validator(mode="before")
    @classmethod
    def _objective_list(cls, value: object) -> object:
        return _listed(value)


class Ensemble(Strict):
    """A score made of those of members: a row of its own among the figures."""

    of: list[str] = Field([], description="Names of the members; all if unset.")
    by: Literal["mean", "trained", "ddt", "quantile"] = Field(
        "mean",
        description="Mean of their scores, or a logistic regression on the logarithms of the "
        "scores; or the score of one member less its cut of constant background efficiency along "
        "the column `against`, a straight line (ddt) or any function (quantile). All but the mean "
        "are fitted on the validation set.",
    )
    against: str | None = Field(None, description="Spectator, for ddt and quantile.")
    efficiency: float = Field(
        0.5, gt=0, lt=1, description="Signal efficiency of the cut, for ddt and quantile."
    )
    note: str = Field("", description="Printed beside its figures.")
    published: Published | None = Field(None, description="Published figures of this ensemble.")

    @property
    def flattens(self) -> bool:
        """Whether it takes the dependence on a column out of one score."""
        return self.by in ("ddt", "quantile")


class Decorrelation(Strict):
    """A column that scores should not depend on, and how that is measured."""

    against: str = Field(description="Column, among the spectators.")
    edges: list[float] = Field(
        description="Bin edges of its spectra, for 1/JSD and the plots.", min_length=3
    )
    efficiencies: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.5], description="Signal efficiencies of the cuts."
    )

    @model_validator(mode="after")
    def _rising(self) -> Decorrelation:
        if any(low >= high for low, high in pairwise(self.edges)):
            raise ValueError("'edges' must rise")
        return self


class Evaluation(Strict):
    """What is measured on the test set."""

    signal: str | None = Field(None, description="Signal class; the last one if unset.")
    target: str | None = Field(None, description="Target with the classes; the first if unset.")
    efficiencies: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.3, 0.5], description="Signal efficiencies at which 1/ε_B is quoted."
    )
    mistags: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.01], description="Background efficiencies at which ε_S is quoted."
    )
    working_points: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [],
        description="Signal efficiencies at which the report tabulates the rejection of each other "
        "class by one cut on ln p_S / Σ f_k p_k.",
    )
    fractions: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(
        {}, description="f_k of each other class in that score, which add up to 1; equal if unset."
    )
    against: list[str] = Field([], description="Spectators against which the efficiency is drawn.")
    parameter: str | None = Field(
        None,
        description="Spectator that is the parameter of a parameterised network: the AUC is drawn "
        "at each of its values.",
    )
    decorrelation: Decorrelation | None = Field(
        None, description="Measures 1/JSD and draws what cuts do to the background's spectrum."
    )
    luminosity_scale: float = Field(
        1.0, gt=0, description="Factor on weights that makes s and b expected event counts."
    )
    note: str = Field("", description="Sentence printed beside the figures, as on stand-ins.")


class Storage(Strict):
    """Where the node-local cache lies and how much memory its readers may use."""

    folder: str | None = Field(
        None, description="Cache folder; $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain if unset."
    )
    memory: Bytes = Field(2 * 10**9, description="Bound on the memory for events, as '2 GB'.")


class Study(Strict):
    """A study: from data to figures."""

    name: str = Field("study", description="Short name; the folder of its runs.")
    title: str = Field("", description="One line for the report; the name if unset.")
    description: str = Field("", description="A few sentences for the report.")
    references: list[str] = Field([], description="Papers and data sets.")
    seed: int = Field(1, ge=0, description="Seed of everything that is random.")
    source: Part = Field(description="Where the events come from.")
    define: dict[str, Expression] = Field({}, description="New columns as expressions, in order.")
    select: Expression | None = Field(None, description="Condition that an event must fulfil.")
    targets: dict[str, Target] = Field(description="What is predicted, by name.", min_length=1)
    weights: Weights = Field(Weights(), description="Event weights in training.")
    split: Part = Field(Part(name="fraction"), description="Training, validation and test sets.")
    spectators: list[str] = Field(
        [], description="Columns kept beside the predictions, unseen by the network."
    )
    invalid: Literal["refuse", "clip", "impute", "drop"] = Field(
        "refuse",
        description="What to do with NaN and infinity in inputs: refuse with the place, clip "
        "infinities to the largest finite value and NaN to 0, impute the training median, or drop "
        "the event.",
    )
    representation: Part | None = Field(None, description="How events become tensors.")
    model: Part | None = Field(None, description="The network or the trees.")
    loss: list[Term] | None = Field(
        None, description="Terms of the loss; fitting the targets if unset."
    )
    posterior: Part | None = Field(
        None,
        description="Distribution of the weights, from which a prediction is drawn; numbers if "
        "unset.",
    )
    calibration: list[Part] = Field(
        [], description="What is fitted to the scores of the validation set, in this order."
    )
    training: Training = Field(Training(), description="How networks are trained.")
    models: dict[str, ModelOverrides] = Field(
        {},
        description="Several networks on the same events; one, from the keys above, if unset. "
        "A member set to null, as under `sizes`, is left out.",
    )
    seeds: int = Field(
        1,
        ge=1,
        description="Trainings of each network, with seed, seed + 1, …: its figures are the means "
        "over them, its curves and its part in ensembles those of the first.",
    )
    ensembles: dict[str, Ensemble] = Field(
        {}, description="Scores made of those of members; one set to null is left out."
    )
    evaluation: Evaluation = Field(Evaluation(), description="What is measured.")
    systematics: dict[str, Part] = Field(
        {},
        description="Name → a systematic effect with its size, for `bunchtrain shift` and "
        "`bunchtrain workspace`; effects can also be named there as parts.",
    )
    export: list[Part] = Field(
        [], description="Where the trained networks are exported to, checked before training."
    )
    storage: Storage = Field(Storage(), description="Cache and memory.")
    sizes: dict[Literal["demo", "small", "full"], dict[str, Any]] = Field(
        {}, description="Dotted overrides for each `--size`."
    )

    @property
    def heading(self) -> str:
        """What stands above tables and reports."""
        return self.title or self.name

    @model_validator(mode="before")
    @classmethod
    def _objective_list(cls, value: object) -> object:
        return expanded(_without_empty(_listed(value), "models", "ensembles"))


def _listed(value: object) -> object:
    if not isinstance(value, dict):
        return value
    single = {k: value.get(k) for k in ("loss", "calibration")}
    return value | {k: [one] for k, one in single.items() if isinstance(one, str | dict)}


def _without_empty(value: object, *keys: str) -> object:
    """Leave out the members and ensembles that a size or an override has set to nothing."""
    if not isinstance(value, dict):
        return value
    given = {key: value[key] for key in keys if isinstance(value.get(key), dict)}
    return value | {
        key: {name: one for name, one in named.items() if one is not None}
        for key, named in given.items()
    }
