"""Keys of a study about its models: their training, what differs in each, and ensembles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from bunchtrain.parts.ranges import (
    NUMBER,
    Dropout,
    Finite,
    InnerFraction,
    LearningRate,
    NonNegative,
    Positive,
    Repeats,
    Share,
    Steps,
    WorkerCount,
)
from bunchtrain.study.base import Expression, Part, Strict, Term, wrap_single
from bunchtrain.study.published import Published


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
    weight_clip: Positive | None = Field(
        None, description="Largest magnitude of a weight or bias, to which each step clamps them."
    )
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
    start: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(
        None,
        alias="from",
        description="Trained model from which the training starts instead of random weights: a "
        "study, of which the newest finished run is taken, or the folder of a run; with several "
        "models `STUDY:MODEL`.",
    )
    normalisation: Literal["keep", "refit"] | None = Field(
        None,
        description="With `from`, whether the normalisation of inputs and values is kept (if "
        "unset), where they have the same names, or fitted again to these events.",
    )
    freeze: list[str] | None = Field(
        None,
        min_length=1,
        description="With `from`, what is not trained: `backbone`, `heads`, or patterns of names "
        "of parameters, e.g. `blocks.*`.",
    )
    unfreeze_after: Steps | None = Field(
        None, description="Epochs after which what `freeze` names is trained, too."
    )
    layer_decay: Share | None = Field(
        None,
        description="Factor on the learning rate from one layer to the one below it, e.g. 0.75; "
        "the last layer has the full rate.",
    )

    @model_validator(mode="before")
    @classmethod
    def _single_pattern(cls, value: object) -> object:
        single = isinstance(value, dict) and isinstance(value.get("freeze"), str)
        return value | {"freeze": [value["freeze"]]} if single else value  # type: ignore[operator, index]

    @model_validator(mode="after")
    def _starts_from_something(self) -> Training:
        for key in ("normalisation", "freeze"):
            if getattr(self, key) is not None and self.start is None:
                raise ValueError(f"'{key}' needs 'from', the trained model to start from")
        if self.unfreeze_after is not None and self.freeze is None:
            raise ValueError("'unfreeze_after' needs 'freeze', what is frozen until then")
        return self


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
        return wrap_single(value)


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
