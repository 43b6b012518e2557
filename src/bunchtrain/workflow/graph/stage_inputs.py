"""What the stages of a study read: tables, trained models and events, in the folder of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.files import write_text
from bunchtrain.study import ModelConfig, Study, model_configs, training_names
from bunchtrain.study.base import Part
from bunchtrain.study.derived import derived_study, stage_model, table_part
from bunchtrain.study.model_keys import ModelOverrides
from bunchtrain.study.stage_checks import full_name, stage_names
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.table import Table
from bunchtrain.trained_files import load
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder, dump
from bunchtrain.workflow.graph.stage import stage_folder
from bunchtrain.workflow.preparation import make_source
from bunchtrain.workflow.transforms import applicable_transforms
from bunchtrain.workflow.wide.cache import prepare_events

#: Files in the folder of a stage.
TABLE, STUDY, MODEL = "table.parquet", "study.yaml", "model"


class StageFolder(RunFolder):
    """The folder of a stage with the files of a run: one model, its study and its predictions."""

    @property
    def predictions_file(self) -> Path:
        """Truth and predictions of the events of the stage."""
        return self.path / TABLE

    def model(self, name: str) -> Path:
        """Return the folder of the model."""
        return self.path / MODEL


@dataclass(frozen=True)
class StageModel:
    """A trained model that a stage reads.

    label   start of the names of its scores.
    given   its keys, beside those of the study.
    events  stage with the events that it was trained on, None if it is of another study.
    folder  of the stage or the run that trained it.
    define  columns that its study defines.
    """

    label: str
    given: ModelOverrides
    events: str | None
    folder: RunFolder
    define: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StageInputs:
    """The results of stages of a study in the folder of a run."""

    folder: RunFolder
    study: Study

    def place(self, name: str) -> Path:
        """Return the folder of a stage of the key `stages`."""
        return stage_folder(self.folder.path, name)

    def names(self, name: str) -> tuple[str, ...]:
        """Return the full names of the stages that a stage reads."""
        read = [other for _, other, _ in self.study.stages[name].references()]
        found = [full for other in read for full in stage_names(self.study, other)]
        return tuple(dict.fromkeys(found))

    def table(self, name: str) -> Table:
        """Return the table of a stage."""
        if name == "source":
            return make_source(self.study)
        part = table_part(self.study, full_name(self.study, name), self.folder.path)
        made: Table = parts.build("source", part.name, part.options, where=f"stages.{name}")
        return made

    def model(self, name: str) -> StageModel:
        """Return the model of a stage.

        Raises StudyError if a stage of another study, named in `trained`, gave none.
        """
        if self.is_of_other_study(name):
            folder: RunFolder = StageFolder(self.place(name))
            if not (folder.path / STUDY).is_file():
                given = self.study.stages[name].trained
                raise StudyError(f"stages.{name}: '{given}' has no trained model")
            study = folder.study()
            key = next(iter(study.models), "")
            # Keys beside `models` are those of the other study, and the derived study has others.
            config = model_configs(study)[key or next(iter(model_configs(study)))]
            return StageModel(name, _as_overrides(config), None, folder, study.define)
        made = stage_model(self.study, full_name(self.study, name))
        is_own = name in self.study.stages
        folder = StageFolder(self.place(name)) if is_own else self.folder
        return StageModel(made.label, made.given, made.events, folder)

    def is_of_other_study(self, name: str) -> bool:
        """Return whether a stage is of kind `trained`."""
        return name in self.study.stages and self.study.stages[name].trained is not None

    def events_study(self, events: str, models: Iterable[StageModel] = ()) -> Study:
        """Return the study of the events of a stage, with these models or all trained on them."""
        chosen = list(models) or [self.model(name) for name in self.trained_on(events)]
        given = {one.label: one.given for one in chosen}
        made = derived_study(self.study, events, given, self.folder.path)
        define = {k: v for one in chosen for k, v in one.define.items()}
        return made.model_copy(update={"define": define | made.define})

    def predicted_study(self, events: str, models: Iterable[StageModel]) -> Study:
        """Return the study of the predictions of models, with the transforms that apply to all."""
        made = self.events_study(events, models)
        transforms = applicable_transforms(made, self.study.transforms)
        return made.model_copy(update={"transforms": transforms})

    def trained_on(self, events: str) -> list[str]:
        """Return the stages whose models are trained on the events of a stage, or predict them."""
        found = []
        for name, stage in self.study.stages.items():
            if stage.train and stage.train.of == events:
                found.append(name)
            elif stage.predict and stage.predict.on == events:
                found += stage.predict.of
        return list(dict.fromkeys(found))

    def study_of(self, model: StageModel) -> Study:
        """Return the study of one model, on the events that it was trained on."""
        if model.events is not None:
            return self.events_study(model.events, [model])
        return model.folder.study().model_copy(update={"models": {model.label: model.given}})

    def cache(self, study: Study, executor: Executor | None = None) -> EventCache:
        """Return the prepared events of a derived study, made by the jobs of an executor if any."""
        return prepare_events(study, executor)

    def load(self, model: StageModel, study: Study) -> dict[str, TrainedModel]:
        """Return training → trained model of a stage, of all seeds."""
        config = model_configs(study)[model.label]
        place = model.folder.model(model.label)
        names = training_names(study, config)
        return {
            name: load(place if seed == study.seed else place / f"seed_{seed}")
            for name, seed in names.items()
        }


def _as_overrides(config: ModelConfig) -> ModelOverrides:
    """Return all keys of a model as its own."""
    keys = ("representation", "posterior", "calibration", "loss")
    given: dict[str, Any] = {key: getattr(config, key) for key in keys}
    given = {key: value for key, value in given.items() if value or key == "representation"}
    if config.kind == "method":
        given = {"representation": config.representation}
    training = config.training.model_dump(exclude_unset=True)
    return ModelOverrides(**given, **{config.kind: config.model}, training=training)


def write_study(place: Path, study: Study) -> None:
    """Write the study of a stage into its folder, with copies of its own parts, without its source.

    Stages of other studies that name this one read it.
    """
    source = Part(name="files", files=TABLE)
    write_text(place / STUDY, dump(study.model_copy(update={"source": source}), place))
