"""Schema of a study file: its keys with their types, defaults and descriptions.

The study reference in the documentation and the JSON schema are made from it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, model_validator

from bunchtrain.parts.ranges import Repeats, Seed
from bunchtrain.study.base import (
    Bytes,
    EvaluationPart,
    Expression,
    Part,
    Strict,
    Term,
    wrap_single,
)
from bunchtrain.study.data_keys import Conditions, TargetConfig, Weights, Windows
from bunchtrain.study.model_keys import Ensemble, ModelOverrides, Training
from bunchtrain.study.names import FileName
from bunchtrain.study.overrides import expand_scans
from bunchtrain.study.stages import StageConfig
from bunchtrain.study.workflows._workflow import expand_workflows
from bunchtrain.targets import Target

#: Columns and references, at most; and the most of other named or listed things.
Texts = Annotated[list[str], Field(max_length=5000)]
_Few, _Many = Field(max_length=500), Field(max_length=5000)


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
    references: Texts = Field([], description="Papers and data sets.")
    note: str = Field("", description="Sentence printed next to the metrics.")
    seed: Seed = Field(1, description="Seed of all random numbers.")
    source: Part = Field(
        description="Where the events come from: a source, or the name of a stage with a table."
    )
    conditions: Annotated[dict[FileName, Conditions], _Few] = Field(
        {},
        description="Small tables by name, such as geometry, noise or luminosity; in expressions "
        "`geometry.x[sensor_id]`.",
    )
    define: Annotated[dict[str, Expression], _Many] = Field(
        {}, description="New columns as expressions, in order."
    )
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
    targets: Annotated[dict[FileName, TargetConfig], _Few] = Field(
        {}, description="What is predicted, by name; none for a method that needs no targets."
    )
    truth: Annotated[dict[FileName, TargetConfig], _Few] = Field(
        {}, description="What only the evaluations use, by name, in the form of `targets`."
    )
    weights: Weights = Field(Weights(), description="Event weights in training.")
    split: Part = Field(Part(name="fraction"), description="Training, validation and test sets.")
    spectators: Texts = Field(
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
    loss: Annotated[list[Term], _Few] | None = Field(
        None,
        description="Terms of the loss; if unset cross_entropy for classes and "
        "mean_squared_error for values.",
    )
    posterior: Part | None = Field(
        None,
        description="Distribution of the network's weights; point estimates if unset.",
    )
    calibration: Annotated[list[Part], _Few] = Field(
        [],
        description="Post-hoc calibrations, fitted to the scores of the validation set in this "
        "order.",
    )
    training: Training = Field(Training(), description="How networks are trained.")
    models: Annotated[dict[FileName, ModelOverrides], _Few] = Field(
        {},
        description="Several models on the same events; one, from the keys above, if unset. "
        "A model set to null, e.g. under `sizes`, is left out.",
    )
    seeds: Repeats = Field(
        1,
        description="Trainings of each model, with seed, seed + 1, …. Metrics are means over them; "
        "curves and ensembles use the first.",
    )
    ensembles: Annotated[dict[FileName, Ensemble], _Few] = Field(
        {}, description="Combinations of models; one set to null is left out."
    )
    transforms: Annotated[dict[FileName, Part], _Few] = Field(
        {},
        description="Name → a transform of the predictions of each model, such as "
        "`connected_components` of the predicted edges: the index of the object of each point, and "
        "a table of the objects.",
    )
    stages: Annotated[dict[FileName, StageConfig], _Few] = Field(
        {},
        description="Name → a stage beside those that the other keys make: a source, prepared "
        "events, a training, predictions or generated events. A stage reads others by name, also "
        "`source`, `prepare`, `train` or `train.<model>`, `predict` and `predictions`.",
    )
    evaluation: Annotated[list[EvaluationPart], _Few] | None = Field(
        None,
        description="What is measured on the test set, in this order; if unset `classification` "
        "and `regression`, according to the targets. Evaluations that describe a run and "
        "need no options, such as `training_curves`, `input_distributions` and `model_comparison`, "
        "are made in every run for which they are defined.",
    )
    systematics: Annotated[dict[FileName, Part], _Few] = Field(
        {},
        description="Name → a systematic effect with its size, for the evaluations "
        "`systematic_shift`, `response_curve` and `expected_sensitivity`.",
    )
    export: Annotated[list[Part], _Few] = Field(
        [], description="Export targets of the trained models, checked before training."
    )
    storage: Storage = Field(Storage(), description="Cache and memory.")
    executor: Part = Field(
        Part(name="sequential"),
        description="Where stages and their pieces run: one after the other, in processes, as Ray "
        "tasks or as Slurm arrays; the results do not depend on it.",
    )
    sizes: dict[Literal["demo", "small", "full"], dict[str, Any]] = Field(
        {}, description="Dotted overrides for each `--size`."
    )

    _source_stage: str | None = None

    @property
    def source_stage(self) -> str | None:
        """The stage whose table is the source, None for a source of its own."""
        return self.source.name if self.source.name in self.stages else self._source_stage

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
    def _expand(cls, value: object, info: ValidationInfo) -> object:
        value = expand_workflows(value, (info.context or {}).get("folder"))
        return expand_scans(_without_empty(wrap_single(value), "models", "ensembles"))


def _without_empty(value: object, *keys: str) -> object:
    """Leave out models and ensembles that a size or an override has set to null."""
    if not isinstance(value, dict):
        return value
    given = {key: value[key] for key in keys if isinstance(value.get(key), dict)}
    return value | {
        key: {name: one for name, one in named.items() if one is not None}
        for key, named in given.items()
    }
