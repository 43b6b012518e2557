"""Inputs of repeated stages, and their trainings in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bunchtrain.study import Study, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.training.process import set_threads
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.graph.stage_inputs import StageFolder, StageInputs, StageModel
from bunchtrain.workflow.preparation import task
from bunchtrain.workflow.trainings import trainings


@dataclass(frozen=True)
class RepeatedInputs(StageInputs):
    """The results that the stages of one repetition read: its own, and those of the run.

    outer      of the run.
    repeated   names of the stages that are repeated.
    data_seed  seed of splits and samplings of events, that of the run unless they are repeated.
    """

    outer: StageInputs
    repeated: tuple[str, ...]
    data_seed: int

    def place(self, name: str) -> Path:
        """Return the folder of a stage: of the repetition, or of the run."""
        return super().place(name) if name in self.repeated else self.outer.place(name)

    def model(self, name: str) -> StageModel:
        """Return the model of a stage: of the repetition, or of the key `models` of the run."""
        return super().model(name) if name in self.study.stages else self.outer.model(name)

    def cache(self, study: Study, executor: Executor | None = None) -> EventCache:
        """Return the prepared events of a derived study, made by the jobs of an executor if any."""
        return super().cache(study.model_copy(update={"seed": self.data_seed}), executor)


def train_together(repeated: Sequence[tuple[RepeatedInputs, str]]) -> bool:
    """Train a model in several repetitions in one batch; False where this cannot be done.

    repeated  inputs of each repetition, and the name of the stage of kind `train`.
    """
    from bunchtrain.training.data import Data, fit_representation

    inputs, name = repeated[0]
    if len(repeated) < 2 or inputs.study.stages[name].kind != "train":
        return False
    tasks = []
    for inputs, name in repeated:
        model = inputs.model(name)
        study = inputs.events_study(str(model.events), [model])
        cache = inputs.cache(inputs.events_study(str(model.events)))
        place, config = StageFolder(inputs.place(name)), model_configs(study)[model.label]
        every = trainings(place, study, config)
        tasks += [task(study, config, cache.folder, one.folder, one.seed) for one in every]
    if tasks[0].is_on_arrays or tasks[0].owns_loss or tasks[0].settings.get("from"):
        return False
    from bunchtrain.training.replicas import NotTogether, Replica, fit_replicas

    replicas = []
    for one in tasks:
        data = Data(fit_representation(one))
        data.load()
        if set(data.stores) != {"train", "validation"}:  # more than the memory
            return False
        stores = (data.stores["train"], data.stores["validation"])
        replicas.append(Replica(data.task, data.representation, *stores))
    set_threads(tasks[0])
    try:
        found = fit_replicas(replicas)
    except NotTogether:
        return False
    for trained in found:
        Path(trained.task.folder).mkdir(parents=True, exist_ok=True)
        trained.save(trained.task.folder)
    return True
