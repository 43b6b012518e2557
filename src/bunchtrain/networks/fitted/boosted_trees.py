"""Gradient-boosted trees by XGBoost (arXiv:1603.02754).

f(x) = b + η Σ_t f_t(x), where tree t minimises Σ_i [g_i f_t(x_i) + ½ h_i f_t(x_i)²] + Ω(f_t) with
the first and second derivatives g, h of the loss at the sum of the trees before it, and
Ω = γ · leaves + ½ λ Σ (leaf value)². The events are streamed and stored as bin indices, one byte
per feature, so that memory stays bounded; the booster is saved as XGBoost's UBJSON. Penalties over
all events, such as non-flatness in a column, may be added: see `layers/boosting_loss.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array, Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.networks.layers.fit_models import (
    History,
    Penalties,
    check_all_classes,
    iterate_samples,
    load_sample,
)
from bunchtrain.networks.layers.trees import EXTRA, BoostingOptions, TreeModel
from bunchtrain.networks.layers.xgboost_import import import_xgboost
from bunchtrain.parts.ranges import NonNegative, Share, TreeDepth

if TYPE_CHECKING:
    import xgboost
    from xgboost import DMatrix

#: XGBoost's name of a loss → its name of the metric, the mean loss.
METRICS = {
    "binary:logistic": "logloss",
    "multi:softprob": "mlogloss",
    "reg:squarederror": "rmse",
    "reg:absoluteerror": "mae",
    "reg:quantileerror": "quantile",
}

DEFAULTS = BoostingOptions()


class BoostedTrees(TreeModel):
    """Gradient-boosted trees by XGBoost (arXiv:1603.02754).

    depth           maximum number of cuts from root to leaf.
    min_weight      minimum sum of the second derivatives in a leaf.
    min_gain        minimum split gain γ of a cut.
    event_fraction  fraction of the events used for a tree.
    """

    fits_penalties = True
    continues_fit = True
    supported_losses: ClassVar[Mapping[str, str]] = {
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
        depth: TreeDepth = 6,
        min_weight: NonNegative = 1.0,
        min_gain: NonNegative = 0.0,
        event_fraction: Share = 1.0,
        boosting: BoostingOptions = DEFAULTS,
    ) -> None:
        super().__init__(table, outputs)
        self.rounds, self.bins, self.patience = boosting.trees, boosting.bins, boosting.patience
        self.growth = {
            "max_depth": depth,
            "learning_rate": boosting.learning_rate,
            "min_child_weight": min_weight,
            "gamma": min_gain,
            "reg_lambda": boosting.l2,
            "subsample": event_fraction,
            "colsample_bytree": boosting.feature_fraction,
            "max_bin": boosting.bins,
            "tree_method": "hist",
            "verbosity": 0,
        }
        self.booster: xgboost.Booster | None = None

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        loss: Head,
        *,
        seed: int,
        threads: int,
        penalties: Penalties = (),
    ) -> History:
        """Grow the trees on batches that can be iterated over repeatedly; return the losses.

        Trees that have been loaded are kept, and others are added to them.
        The trees after the round of the best validation loss are removed. Penalties need a target
        of classes. Raises StudyError for unsupported losses or weights, and DataError without
        training events.
        """
        from bunchtrain.networks.layers.xgboost_adapter import (
            LossHistory,
            custom_loss,
            mean_log_loss,
        )

        xgboost = import_xgboost()
        growth = self._growth(loss) | {"seed": seed, "nthread": threads}
        events = self._matrix(training, loss, threads)
        if events is None:
            raise DataError("the training set has no events; loosen 'select' or change 'split'")
        validation_events = self._matrix(validation, loss, threads, reference=events)
        losses, custom = LossHistory(self.rounds), dict[str, Any]()
        if METRICS[growth["objective"]] == "logloss" and not penalties:
            growth["disable_default_eval_metric"] = True
            del growth["eval_metric"]
            custom = {"custom_metric": mean_log_loss}
        if penalties:
            self._check_penalties(loss, [penalty for penalty, _ in penalties])
            growth |= {"base_score": 0.5, "disable_default_eval_metric": True}
            del growth["eval_metric"]
            batches = {id(events): training, id(validation_events): validation}
            custom = custom_loss(batches, loss, penalties)
        validated = [(validation_events, "validation")] if validation_events else []
        callbacks: list[Any] = [losses]
        if self.patience is not None and validated:
            stopping = xgboost.callback.EarlyStopping
            callbacks.append(stopping(rounds=self.patience, data_name="validation", save_best=True))
        booster = xgboost.train(
            growth,
            events,
            self.rounds,
            evals=[(events, "training"), *validated],
            callbacks=callbacks,
            verbose_eval=False,
            xgb_model=self.booster,
            **custom,
        )
        self._set_booster(booster)
        return losses.history

    def check_terms(self, losses: Sequence[Loss]) -> None:
        """Raise StudyError if the model cannot fit the first term, or the others as penalties."""
        super().check_terms(losses[:1])
        loss = losses[0]
        assert isinstance(loss, Head)  # as the task sorts them
        self._growth(loss)
        if losses[1:]:
            self._check_penalties(loss, losses[1:])

    def _check_penalties(self, loss: Head, penalties: Sequence[Loss]) -> None:
        if not loss.target.classes:
            raise StudyError(
                "model 'boosted_trees' supports penalties with a target of classes only"
            )
        for penalty in penalties:
            if not penalty.is_comparable_across_epochs:
                raise StudyError(
                    f"loss '{penalty.name}': 'alone' and 'ramp' are steps of a network's training; "
                    "leave them out for model 'boosted_trees'"
                )
            if isinstance(penalty, Head) or penalty.has_parameters:
                raise StudyError(
                    f"model 'boosted_trees' cannot fit loss '{penalty.name}' in addition to "
                    f"'{loss.name}'; it supports penalties without outputs and trained "
                    "parameters, e.g. 'mode' and 'disco'"
                )

    def _growth(self, loss: Head) -> dict[str, Any]:
        self.check_loss(loss)
        name = self.supported_losses[loss.name]
        classes = len(loss.target.classes)
        growth: dict[str, Any] = dict(self.growth)
        if name == "multi:softprob" and classes == 2:
            name = "binary:logistic"
        elif name == "multi:softprob":
            growth["num_class"] = classes
        elif name == "reg:quantileerror":
            growth["quantile_alpha"] = _quantile_levels(loss)
        return growth | {"objective": name, "eval_metric": METRICS[name]}

    def _matrix(
        self,
        batches: Iterable[Batch],
        loss: Head,
        threads: int,
        reference: xgboost.DMatrix | None = None,
    ) -> xgboost.DMatrix | None:
        if next(iterate_samples(batches, loss), None) is None:
            return None
        from bunchtrain.networks.layers.xgboost_adapter import BatchIterator

        xgboost = import_xgboost()
        # The loss of a round takes half as long on values as on bins, in eight times the memory.
        # Of trees that are continued, the cuts need not be edges of the bins of these events.
        is_exact = reference is not None and getattr(batches, "is_small", False)
        if self.booster is not None or is_exact:
            sample = load_sample(batches, loss)
            assert sample is not None  # as there is a first batch
            whole = {"weight": sample.weight, "nthread": threads}
            exact: DMatrix = xgboost.DMatrix(sample.table, sample.target, **whole)
            return exact
        iterator = BatchIterator(batches, loss)
        options = {"ref": reference, "max_bin": self.bins, "nthread": threads}
        matrix: DMatrix = xgboost.QuantileDMatrix(iterator, **options)
        if reference is None:
            check_all_classes(loss, iterator.classes)
        return matrix

    def _set_booster(self, booster: xgboost.Booster) -> None:
        from bunchtrain.networks.layers.xgboost_adapter import trees_from_json

        self.booster = booster
        learner = json.loads(booster.save_raw("json"))["learner"]
        self.trees.set_trees(*trees_from_json(learner, self.outputs))
        gains = booster.get_score(importance_type="total_gain")
        self.set_importance(np.array([gains.get(f"f{i}", 0.0) for i in range(self.features)]))

    def forward(self, table: Array) -> Array:
        """Return margins (batch, outputs) from `table` (batch, feature); NaN is a missing value.

        With two classes the first margin is 0. Raises RunError before the fit.
        """
        if self.booster is None:
            return super().forward(table)
        if len(table) == 0:
            return np.zeros((0, self.outputs), np.float32)
        margins = self.booster.inplace_predict(table, predict_type="margin")
        columns = np.asarray(margins).reshape(len(table), -1)
        return np.pad(columns, ((0, 0), (self.outputs - columns.shape[1], 0)))

    def state(self) -> dict[str, Any]:
        """Return importances and the booster as UBJSON, (bytes,), empty before the fit."""
        raw = self.booster.save_raw("ubj") if self.booster else bytearray()
        return {"importance": self.importance, EXTRA: np.frombuffer(raw, np.uint8)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set the booster from XGBoost's UBJSON."""
        if len(state[EXTRA]):
            booster = import_xgboost().Booster()
            booster.load_model(bytearray(state[EXTRA].tobytes()))
            self._set_booster(booster)
        self.importance = state["importance"].reshape(self.features)


def _quantile_levels(loss: Any) -> NDArray[Any]:
    if len(loss.target.values) > 1:
        raise StudyError(
            f"model 'boosted_trees' fits the quantiles of one value, and target "
            f"'{loss.target.name}' has {len(loss.target.values)}; define one target for each"
        )
    return np.array(loss.levels)
