"""Gradient-boosted trees by XGBoost (arXiv:1603.02754).

f(x) = b + η Σ_t f_t(x), where tree t minimises Σ_i [g_i f_t(x_i) + ½ h_i f_t(x_i)²] + Ω(f_t) with
the first and second derivatives g, h of the loss at the sum of the trees before it, and
Ω = γ · leaves + ½ λ Σ (leaf value)². The events are streamed and kept as bin numbers, one byte a
feature, so that memory stays bounded; the booster is saved as XGBoost's own UBJSON. Beside the fit
there may be terms on all events at once, as flatness in a column: see `layers/boosting_terms.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
import xgboost
from numpy.typing import NDArray
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.networks.layers.boosting_terms import Beside
from bunchtrain.networks.layers.trees import (
    History,
    Progress,
    Trees,
    need_all_classes,
    part_name,
    quantile_levels,
    samples,
)
from bunchtrain.networks.layers.xgboost_arrays import as_arrays
from bunchtrain.networks.layers.xgboost_rounds import Stream, Watch, custom_terms

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss

#: XGBoost's name of the objective → that of its mean loss.
METRICS = {
    "binary:logistic": "logloss",
    "multi:softprob": "mlogloss",
    "reg:squarederror": "rmse",
    "reg:absoluteerror": "mae",
    "reg:quantileerror": "quantile",
}


class BoostedTrees(Trees):
    """Gradient-boosted trees by XGBoost (arXiv:1603.02754).

    trees             rounds of boosting at most; of several outputs each gets a tree a round.
    depth             cuts from root to leaf at most.
    learning_rate     factor η on each tree.
    min_weight        least sum of the second derivatives in a leaf.
    min_gain          least gain γ of a cut.
    l2                penalty λ on the values of the leaves.
    event_fraction    share of the events that a tree sees.
    feature_fraction  share of the features that a tree sees.
    bins              bins of a feature, between which cuts are made.
    patience          stop after so many rounds without a better validation loss.
    """

    objectives: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "multi:softprob",
        "binary_cross_entropy": "binary:logistic",
        "mean_squared_error": "reg:squarederror",
        "mean_absolute_error": "reg:absoluteerror",
        "quantile": "reg:quantileerror",
    }

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        trees: int = 500,
        depth: int = 6,
        learning_rate: float = 0.1,
        min_weight: float = 1.0,
        min_gain: float = 0.0,
        l2: float = 1.0,
        event_fraction: float = 1.0,
        feature_fraction: float = 1.0,
        bins: int = 256,
        patience: int | None = 20,
    ) -> None:
        super().__init__(table, outputs)
        self.rounds, self.bins, self.patience = trees, bins, patience
        self.parameters_of_growth = {
            "max_depth": depth,
            "learning_rate": learning_rate,
            "min_child_weight": min_weight,
            "gamma": min_gain,
            "reg_lambda": l2,
            "subsample": event_fraction,
            "colsample_bytree": feature_fraction,
            "max_bin": bins,
            "tree_method": "hist",
            "verbosity": 0,
        }
        self.booster: xgboost.Booster | None = None

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        objective: Loss,
        *,
        seed: int,
        threads: int,
        progress: Progress | None = None,
        beside: Beside = (),
    ) -> History:
        """Grow the trees on batches that can be iterated over repeatedly; return the losses.

        The trees after the round of the best validation loss are cut off. Terms `beside` the fit
        go with classes. Raises StudyError for objectives or weights that trees cannot do, and
        DataError without training events.
        """
        growth = self._growth(objective) | {"seed": seed, "nthread": threads}
        events = self._matrix(training, objective, threads)
        if events is None:
            raise DataError("the training set has no events; loosen 'select' or change 'split'")
        tested = self._matrix(validation, objective, threads, like=events)
        watch = Watch(self.rounds, progress)
        terms = {}
        if beside:
            self._check_beside(objective, beside)
            growth |= {"base_score": 0.5, "disable_default_eval_metric": True}
            del growth["eval_metric"]
            terms = custom_terms({id(events): training, id(tested): validation}, objective, beside)
        booster = xgboost.train(
            growth,
            events,
            self.rounds,
            evals=[(events, "training")] + ([(tested, "validation")] if tested else []),
            callbacks=[watch, *self._early_stopping(tested is not None)],
            verbose_eval=False,
            **terms,
        )
        self._take(booster)
        return watch.history

    def _check_beside(self, objective: Loss, beside: Beside) -> None:
        if not objective.target.classes:
            raise StudyError(
                "model 'boosted_trees' takes further terms beside a fit of classes only"
            )
        for term, _ in beside:
            if term.outputs or any(True for _ in term.parameters()):
                raise StudyError(
                    f"model 'boosted_trees' cannot fit objective '{part_name(term)}' beside "
                    f"'{part_name(objective)}'; it takes terms that have no outputs and nothing to "
                    "train of their own, as 'mode' and 'disco'"
                )

    def _growth(self, objective: Loss) -> dict[str, Any]:
        self.check(objective)
        name = self.objectives[part_name(objective)]
        classes = len(objective.target.classes)
        growth: dict[str, Any] = dict(self.parameters_of_growth)
        if name == "multi:softprob" and classes == 2:
            name = "binary:logistic"
        elif name == "multi:softprob":
            growth["num_class"] = classes
        elif name == "reg:quantileerror":
            growth["quantile_alpha"] = _levels(objective)
        return growth | {"objective": name, "eval_metric": METRICS[name]}

    def _matrix(
        self,
        batches: Iterable[Batch],
        objective: Loss,
        threads: int,
        like: xgboost.QuantileDMatrix | None = None,
    ) -> xgboost.QuantileDMatrix | None:
        if next(samples(batches, objective), None) is None:
            return None
        stream = Stream(batches, objective)
        matrix = xgboost.QuantileDMatrix(stream, ref=like, max_bin=self.bins, nthread=threads)
        if like is None:
            need_all_classes(objective, stream.seen)
        return matrix

    def _early_stopping(self, validated: bool) -> list[Any]:
        if self.patience is None or not validated:
            return []
        stopping = xgboost.callback.EarlyStopping
        return [stopping(rounds=self.patience, data_name="validation", save_best=True)]

    def _take(self, booster: xgboost.Booster) -> None:
        self.booster = booster
        learner = json.loads(booster.save_raw("json"))["learner"]
        self.trees.plant(*as_arrays(learner, self.outputs))
        gains = booster.get_score(importance_type="total_gain")
        self.take_importance(np.array([gains.get(f"f{i}", 0.0) for i in range(self.features)]))

    def forward(self, table: Tensor) -> Tensor:
        """Return margins (batch, outputs) from `table` (batch, feature); NaN is a missing value.

        Of two classes, the first margin is 0. Raises RunError before the fit.
        """
        if self.booster is None or torch.compiler.is_exporting():
            self.need_fit()
            return self.trees(table)  # type: ignore[no-any-return]
        events = table.numpy(force=True)
        if len(events) == 0:
            return table.new_zeros(0, self.outputs)
        margins = self.booster.inplace_predict(events, predict_type="margin")
        columns = torch.from_numpy(margins).view(len(events), -1).to(table.device)
        return torch.nn.functional.pad(columns, (self.outputs - columns.shape[1], 0))

    def get_extra_state(self) -> Tensor:
        """Return the booster as XGBoost's UBJSON, (bytes,) uint8; no bytes before the fit."""
        raw = self.booster.save_raw("ubj") if self.booster else bytearray()
        return torch.from_numpy(np.frombuffer(raw, np.uint8).copy())

    def set_extra_state(self, state: Tensor) -> None:
        """Take the booster from XGBoost's UBJSON, (bytes,) uint8."""
        if len(state):
            booster = xgboost.Booster()
            booster.load_model(bytearray(state.numpy(force=True).tobytes()))
            self._take(booster)


def _levels(objective: Loss) -> NDArray[Any]:
    if len(objective.target.values) > 1:
        raise StudyError(
            f"model 'boosted_trees' fits the quantiles of one value, and target "
            f"'{objective.target.name}' has {len(objective.target.values)}; make a target of each"
        )
    return np.array(quantile_levels(objective))
