"""Adapters to XGBoost: batches as its data iterator, a custom loss, its history and its trees."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import History, Penalties, iterate_samples, report_round
from bunchtrain.networks.layers.trees import Tree
from bunchtrain.networks.layers.xgboost_import import import_xgboost

xgboost: Any = import_xgboost()

_ROWS = 16_384
#: Of a probability whose logarithm is taken, as in XGBoost.
_SMALLEST = np.float32(1e-16)


class BatchIterator(xgboost.DataIter):  # type: ignore[misc]
    """Batches as XGBoost's data iterator, which reads them several times."""

    def __init__(self, batches: Iterable[Batch], loss: Head) -> None:
        super().__init__()
        self.batches, self.loss = batches, loss
        self.classes: set[int] = set()
        self.reset()

    def reset(self) -> None:
        """Return to the first batch."""
        self.samples = iterate_samples(self.batches, self.loss)

    def next(self, input_data: Any) -> bool:
        """Pass the next batch to `input_data`; return False after the last."""
        sample = next(self.samples, None)
        if sample is None:
            return False
        if self.loss.target.classes:
            self.classes.update(np.unique(sample.target).tolist())
        input_data(data=sample.table, label=sample.target, weight=sample.weight)
        return True


def custom_loss(
    batches: Mapping[int, Iterable[Batch]], loss: Head, penalties: Penalties
) -> dict[str, Any]:
    """Return objective and metric as arguments of XGBoost, for matrices by their identity."""
    from bunchtrain.networks.layers.boosting_loss import BoostingLoss  # by torch's autograd

    losses: dict[int, BoostingLoss] = {}

    def loss_of(matrix: object) -> BoostingLoss:
        if id(matrix) not in losses:
            losses[id(matrix)] = BoostingLoss(batches[id(matrix)], loss, penalties)
        return losses[id(matrix)]

    return {
        "obj": lambda margins, matrix: loss_of(matrix).derivatives(margins),
        "custom_metric": lambda margins, matrix: ("loss", loss_of(matrix).mean(margins)),
    }


def mean_log_loss(probability: NDArray[Any], matrix: Any) -> tuple[str, float]:
    """Return the name and value of −Σ_i w_i ln q_i / Σ_i w_i, q the probability of the true class.

    XGBoost's own metric `logloss`, up to rounding, in half of its time.

    probability  of the second class, (events,).
    matrix       labels and weights of the events.
    """
    label, weight = matrix.get_label(), matrix.get_weight()
    total = 0.0
    for start in range(0, len(label), _ROWS):  # in the processor's cache
        rows = slice(start, start + _ROWS)
        true = np.abs(probability[rows] - (1 - label[rows]))
        logarithm = np.log(np.maximum(true, _SMALLEST))
        total -= float((logarithm * weight[rows] if len(weight) else logarithm).sum(dtype=float))
    return "logloss", total / (float(weight.sum(dtype=float)) if len(weight) else len(label))


class LossHistory(xgboost.callback.TrainingCallback):  # type: ignore[misc]
    """Records the losses of each round and reports the progress."""

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self.rounds = rounds
        self.history: History = []

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """Record the losses of a round; return False to continue."""
        row = {}
        for sample, metrics in evals_log.items():
            ((metric, values),) = metrics.items()
            row[f"{sample}_loss"] = values[-1] ** 2 if metric == "rmse" else values[-1]
        self.history.append(row)
        report_round(epoch + 1, self.rounds, row)
        return False


def trees_from_json(learner: Any, outputs: int) -> tuple[list[Tree], NDArray[Any]]:
    """Return the trees and the base (outputs,) of XGBoost's JSON, for `DecisionTrees.set_trees`."""
    start = json.loads(learner["learner_model_param"]["base_score"])
    if learner["objective"]["name"] == "binary:logistic":
        start = [math.log(p / (1 - p)) for p in start]
    base = np.zeros(outputs)
    base[-len(start) :] = start
    model = learner["gradient_booster"]["model"]
    shift = outputs - len(start)
    pairs = zip(model["trees"], model["tree_info"], strict=True)
    return [_to_tree(tree, column + shift, outputs) for tree, column in pairs], base


def _to_tree(tree: Any, column: int, outputs: int) -> Tree:
    left = np.array(tree["left_children"])
    cuts = np.array(tree["split_conditions"], np.float32)  # of leaves, their values
    value = np.zeros((len(left), outputs))
    value[:, column] = np.where(left < 0, cuts, 0)
    return Tree(
        left,
        np.array(tree["right_children"]),
        np.array(tree["split_indices"]),
        np.nextafter(cuts, np.float32(-np.inf)).astype(float),  # x < cut is x ≤ the float below
        np.array(tree["default_left"]) == 1,
        value,
    )
