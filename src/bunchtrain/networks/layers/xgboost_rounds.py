"""What XGBoost calls while it grows trees: for the batches, for the losses, for further terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

from bunchtrain.batch import Batch
from bunchtrain.networks.layers.boosting_terms import Beside, BoostingTerms
from bunchtrain.networks.layers.trees import History, Progress, samples

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss


class Stream(xgboost.DataIter):
    """The batches, as XGBoost asks for them, several times over."""

    def __init__(self, batches: Iterable[Batch], objective: Loss) -> None:
        super().__init__()
        self.batches, self.objective = batches, objective
        self.seen: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self.left = samples(self.batches, self.objective)

    def next(self, input_data: Any) -> bool:
        """Give `input_data` the next batch; False after the last."""
        sample = next(self.left, None)
        if sample is None:
            return False
        if self.objective.target.classes:
            self.seen.update(np.unique(sample.target).tolist())
        input_data(data=sample.table, label=sample.target, weight=sample.weight)
        return True


def custom_terms(
    samples_of: Mapping[int, Iterable[Batch]], objective: Loss, beside: Beside
) -> dict[str, Any]:
    """Return objective and metric as XGBoost calls them, for matrices by their identity."""
    found: dict[int, BoostingTerms] = {}

    def terms(matrix: object) -> BoostingTerms:
        if id(matrix) not in found:
            found[id(matrix)] = BoostingTerms(samples_of[id(matrix)], objective, beside)
        return found[id(matrix)]

    return {
        "obj": lambda margins, matrix: terms(matrix).derivatives(margins),
        "custom_metric": lambda margins, matrix: ("loss", terms(matrix).mean(margins)),
    }


class Watch(xgboost.callback.TrainingCallback):
    """Writes the losses down after each round, and tells them."""

    def __init__(self, rounds: int, progress: Progress | None) -> None:
        super().__init__()
        self.rounds, self.progress = rounds, progress
        self.history: History = []

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Write the losses of a round down; False, to go on."""
        row = {}
        for sample, metrics in evals_log.items():
            ((metric, values),) = metrics.items()
            row[f"{sample}_loss"] = values[-1] ** 2 if metric == "rmse" else values[-1]
        self.history.append(row)
        if self.progress is not None:
            self.progress(epoch + 1, self.rounds, row)
        return False
