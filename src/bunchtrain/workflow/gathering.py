"""One file of predictions from those of all trainings, with the ensembles added."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from bunchtrain.study import Study, model_configs
from bunchtrain.tables.writing import write_parquet
from bunchtrain.workflow.ensembles import ensemble_columns, fit_ensembles, save_ensembles
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.trainings import predicted_sets, trainings


def gather(folder: RunFolder, study: Study) -> None:
    """Write `predictions.parquet`: entry, weight, truth, spectators and the scores of all."""
    combinations = {}
    if "validation" in predicted_sets(study):
        combinations = fit_ensembles(study, joined(folder, study, "validation"))
        save_ensembles(folder, combinations)
    test = joined(folder, study, "test")
    columns = test.columns | ensemble_columns(test, combinations)
    write_parquet(folder.predictions_file, [columns])


def joined(folder: RunFolder, study: Study, split: str) -> Predictions:
    """Return the predictions of all trainings for a set; they are of the same events in order."""
    columns: dict[str, NDArray[Any]] = {}
    for member in model_configs(study).values():
        for one in trainings(folder, study, member):
            columns |= Predictions.read(study, one.folder / f"{split}.parquet").columns
    return Predictions(study, columns)
