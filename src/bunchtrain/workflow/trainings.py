"""The trainings of a run, one for each seed of a model, and their predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch

from bunchtrain.files import write_json
from bunchtrain.methods.protocols import CountsOverflows
from bunchtrain.study import ModelConfig, Study, model_configs, training_names
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.predictions import PredictedColumn, Predictions, Values
from bunchtrain.trained_model import TrainedModel, load
from bunchtrain.training.dataset_cache import DATASET_CACHE
from bunchtrain.training.process import keep_freed_memory
from bunchtrain.training.train import train
from bunchtrain.workflow.ensembles import ensemble_columns, fit_ensembles, save_ensembles
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predict import write_predictions
from bunchtrain.workflow.prediction_schema import make_schema, read_predictions
from bunchtrain.workflow.preparation import task

Result = TypeVar("Result")


@dataclass(frozen=True)
class Training:
    """One training of a model: the name of its predictions, its seed and its folder.

    The first one has the folder of the model, the others have folders below it.
    """

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
        Training(name, seed, place if seed == study.seed else place / f"seed_{seed}")
        for name, seed in training_names(study, model).items()
    ]


def train_model(
    folder: RunFolder,
    study: Study,
    cache: EventCache,
    name: str,
    *,
    resume: bool,
    progress: bool = True,
) -> None:
    """Train a model with all its seeds; with `resume`, finished trainings are skipped."""
    model = model_configs(study)[name]
    with DATASET_CACHE.enable():
        for one in trainings(folder, study, model):
            wanted = task(study, model, cache.folder, one.folder, one.seed)
            train(wanted, resume=resume, progress=progress)


def training_warnings(folder: RunFolder, study: Study, name: str) -> list[str]:
    """Return the warnings of a model's trainings, one sentence each, none of them twice."""
    every = trainings(folder, study, model_configs(study)[name])
    where = [one.folder.relative_to(folder.path) / "training.json" for one in every]
    return list(
        dict.fromkeys(w for path in where for w in folder.json(str(path)).get("warnings", ()))
    )


def predict_model(folder: RunFolder, study: Study, cache: EventCache, name: str) -> None:
    """Write the predictions of a model's trainings that are missing."""
    model = model_configs(study)[name]
    if model.training.threads:
        torch.set_num_threads(model.training.threads)
    with keep_freed_memory():
        for one in trainings(folder, study, model):
            for split in predicted_sets(study):
                path = one.folder / f"{split}.parquet"
                if path.is_file():
                    continue
                trained = load(one.folder)
                predict = partial(write_predictions, study, cache, {one.name: trained}, path, split)
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
    """Write `predictions.parquet`: those of all trainings of the test set, and of the ensembles."""
    fitted = {}
    if "validation" in predicted_sets(study):
        fitted = fit_ensembles(study, _read_trainings(folder, study, "validation"))
        save_ensembles(folder, fitted)
    test = _read_trainings(folder, study, "test")
    ensembles = ensemble_columns(study, test, fitted)
    Predictions(test.contents, test.columns | ensembles, test.known_units).write(
        folder.predictions_file
    )


def _read_trainings(folder: RunFolder, study: Study, split: str) -> Predictions:
    """Return the predictions of all trainings for a set, whose events have the same order."""
    schema: dict[str, PredictedColumn] = {}
    columns: dict[str, Values] = {}
    units: dict[str, str] = {}
    for model in model_configs(study).values():
        for one in trainings(folder, study, model):
            found = read_predictions(one.folder / f"{split}.parquet", study)
            schema |= found.contents.columns
            columns |= found.columns
            units |= found.known_units
    return Predictions(make_schema(study, schema), columns, units)
