"""The trainings of a run, one for each seed of a model, and their predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TypeVar

from bunchtrain.files import write_json
from bunchtrain.methods.protocols import CountsOverflows
from bunchtrain.progress_events import report_part
from bunchtrain.study import ModelConfig, Study, model_configs, training_names
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.prediction_contents import METADATA
from bunchtrain.tables.predictions import ROWS, Predictions, concatenate
from bunchtrain.tables.writing import write_parquet
from bunchtrain.trained_files import load
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.dataset_cache import DATASET_CACHE
from bunchtrain.training.process import keep_freed_memory, set_threads
from bunchtrain.training.train import train
from bunchtrain.workflow.ensembles import ensemble_columns, fit_ensembles, save_ensembles
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predict import write_predictions
from bunchtrain.workflow.prediction_schema import contents_of_file, make_schema
from bunchtrain.workflow.preparation import task
from bunchtrain.workflow.wide import event_set

Result = TypeVar("Result")


@dataclass(frozen=True)
class Training:
    """One training of a model: the name of its predictions, its seed and its folder.

    The first one has the folder of the model, the others have folders below it.
    """

    model: ModelConfig
    name: str
    seed: int
    folder: Path

    @property
    def is_finished(self) -> bool:
        """Whether its trained model has been written."""
        return (self.folder / "network.json").is_file()


def trainings(folder: RunFolder, study: Study, model: ModelConfig) -> list[Training]:
    """Return the trainings of a model, the first one first."""
    place = folder.model(model.name)
    return [
        Training(model, name, seed, place if seed == study.seed else place / f"seed_{seed}")
        for name, seed in training_names(study, model).items()
    ]


def all_trainings(folder: RunFolder, study: Study) -> dict[str, Training]:
    """Return name → training of all models of a study."""
    models = model_configs(study).values()
    return {one.name: one for model in models for one in trainings(folder, study, model)}


def train_model(
    folder: RunFolder,
    study: Study,
    cache: EventCache,
    name: str,
    *,
    resume: bool,
) -> None:
    """Train a model with all its seeds; with `resume`, finished trainings are skipped."""
    every = trainings(folder, study, model_configs(study)[name])
    for index, one in enumerate(every):
        with report_part(index, len(every), f"seed {one.seed}" if len(every) > 1 else ""):
            train_seed(folder, study, cache, one, resume=resume)


def train_seed(
    folder: RunFolder, study: Study, cache: EventCache, one: Training, *, resume: bool
) -> None:
    """Make one training; the next seed of its model in this process uses the same dataset."""
    start = folder.start(one.model.name)
    wanted = task(study, one.model, cache.folder, one.folder, one.seed, start)
    is_last = one.seed == study.seed + one.model.seeds - 1
    with DATASET_CACHE.enable(keep=not is_last):
        train(wanted, resume=resume)


def training_warnings(folder: RunFolder, every: Iterable[Training]) -> list[str]:
    """Return the warnings of finished trainings, one sentence each, none of them twice."""
    where = [one.folder.relative_to(folder.path) / "training.json" for one in every]
    return list(
        dict.fromkeys(w for path in where for w in folder.json(str(path)).get("warnings", ()))
    )


def predict_seed(
    folder: RunFolder,
    study: Study,
    cache: EventCache,
    one: Training,
    executor: Executor | None = None,
) -> None:
    """Write the predictions of a training that are missing.

    Many blocks are predicted by the jobs of an executor, unless the model counts overflows.
    """
    sets = predicted_sets(study)
    with keep_freed_memory():
        for index, split in enumerate(sets):
            path = one.folder / f"{split}.parquet"
            if path.is_file():
                continue
            trained = load(one.folder)
            set_threads(trained.task)
            count, wide = -(-cache.rows[split] // ROWS), None
            is_counted = isinstance(trained.network.model, CountsOverflows)
            if executor is not None and count >= event_set.LEAST and not is_counted:
                given = (folder.path, one.folder, one.name, split, count)
                wide = partial(event_set.predict_set, executor, *given)
            models = {one.name: trained}
            predict = partial(write_predictions, study, cache, models, path, split, wide)
            with report_part(index, len(sets)):
                rates, overflows = count_overflows(trained, predict)
            if split == "test":
                rate = {"events_per_second": rates.get(one.name), "out_of_range": overflows}
                write_json(one.folder / "prediction.json", rate)


def count_overflows(
    trained: TrainedModel, predict: Callable[[], Result]
) -> tuple[Result, dict[str, int] | None]:
    """Return the result of `predict`, and place → values out of range of a quantised model.

    None instead of the counts for a model that is not quantised.
    """
    model = trained.network.model
    if not isinstance(model, CountsOverflows):
        return predict(), None
    with model.count_overflows() as counts:
        result = predict()
    return result, counts


def predicted_sets(study: Study) -> list[str]:
    """Return the sets to predict: the test set, and where ensembles are fitted the validation."""
    fitted = any(ensemble.by != "mean" for ensemble in study.ensembles.values())
    return ["validation", "test"] if fitted else ["test"]


def merge_predictions(folder: RunFolder, study: Study) -> None:
    """Write `predictions.parquet`: those of all trainings of the test set, and of the ensembles.

    The test set is read and written in blocks of `ROWS` events; the validation set, to which
    ensembles are fitted, is read as a whole.
    """
    fitted = {}
    if "validation" in predicted_sets(study):
        whole = concatenate(list(_blocks_of_trainings(folder, study, "validation")))
        fitted = fit_ensembles(study, whole)
        save_ensembles(folder, fitted)
    blocks = _blocks_of_trainings(folder, study, "test")
    first = next(blocks)
    columns = (
        block.columns | ensemble_columns(study, block, fitted) for block in chain([first], blocks)
    )
    about = TableMetadata(units=first.known_units).as_mapping()
    write_parquet(folder.predictions_file, columns, {METADATA: first.contents.as_json()} | about)


def _blocks_of_trainings(folder: RunFolder, study: Study, split: str) -> Iterator[Predictions]:
    """Yield the predictions of all trainings for a set, whose events have the same order."""
    every = all_trainings(folder, study).values()
    paths = [one.folder / f"{split}.parquet" for one in every]
    contents = [contents_of_file(path, study) for path in paths]
    columns = {name: one for found in contents for name, one in found.columns.items()}
    schema = make_schema(study, columns)
    each = (Predictions.read_blocks(p, ROWS, c) for p, c in zip(paths, contents, strict=True))
    for blocks in zip(*each, strict=True):
        found = {name: v for block in blocks for name, v in block.columns.items()}
        units = {name: unit for block in blocks for name, unit in block.known_units.items()}
        yield Predictions(schema, found, units)
