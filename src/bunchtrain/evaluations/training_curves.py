"""Training curves: loss against epoch, from `history.csv` of each model."""

from __future__ import annotations

import csv

import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.files import damaged
from bunchtrain.methods.protocols import FitsInOneCall
from bunchtrain.plots import plot_training
from bunchtrain.report.content import Plot
from bunchtrain.report.results import Results
from bunchtrain.study import model_configs


class TrainingCurves(Evaluation):
    """Training and validation loss against epoch, or number of trees, of each model."""

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the plot of the first training of each model with more than one step."""
        results = Results()
        for name, config in model_configs(run.study).items():
            history = read_history(run, name)
            if any(len(values) > 1 for values in history.values()):
                trees = issubclass(parts.find(config.kind, config.model.name), FitsInOneCall)
                drawn = plot_training(history, "iteration" if trees else "epoch")
                results.plots.append(Plot("Loss in training and validation.", drawn, model=name))
        return results


def read_history(run: EvaluatedRun, model: str) -> dict[str, NDArray[np.float64]]:
    """Return the columns (epochs,) of a model's `history.csv`, {} if there is none.

    Runs of release 0.1 have it below `members/`.
    """
    places = (run.folder / name / model / "history.csv" for name in ("models", "members"))
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return {}
    try:
        with path.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, strict=True))
        return {
            column: np.array([float(row[column] or "nan") for row in rows])
            for column in (rows[0] if rows else ())
        }
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as problem:
        raise damaged(path, problem) from None
