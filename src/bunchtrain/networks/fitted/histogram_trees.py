"""Histogram-based gradient-boosted trees by scikit-learn, as in LightGBM.

The library is arXiv:1201.0490, the method Ke et al., NIPS 30 (2017).
f(x) = b + η Σ_t f_t(x); the trees grow leaf by leaf, each time at the leaf of the largest split
gain, on features in 255 bins. Needs all training events in memory. The trees are saved as plain
arrays, without a pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.fit_models import (
    History,
    load_sample,
    load_training_sample,
    report_round,
)
from bunchtrain.networks.layers.trees import BoostingOptions, Tree, TreeModel
from bunchtrain.parts.ranges import Sampled, TreeDepth

if TYPE_CHECKING:
    from bunchtrain.heads._head import Head

DEFAULTS = BoostingOptions(l2=0.0, bins=255)


class HistogramTrees(TreeModel):
    """Histogram-based gradient-boosted trees by scikit-learn (arXiv:1201.0490).

    leaves      maximum number of leaves of a tree.
    depth       maximum number of cuts from root to leaf; unlimited if unset.
    min_events  minimum number of events in a leaf.

    A feature has at most 255 bins; a fraction of the features is drawn for each cut.
    """

    supported_losses: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "log_loss",
        "binary_cross_entropy": "log_loss",
        "mean_squared_error": "squared_error",
        "mean_absolute_error": "absolute_error",
        "quantile": "quantile",
    }

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        leaves: Annotated[int, Field(ge=2, le=131072)] = 31,
        depth: TreeDepth | None = None,
        min_events: Sampled = 20,
        boosting: BoostingOptions = DEFAULTS,
    ) -> None:
        super().__init__(table, outputs)
        self.rounds, self.patience = boosting.trees, boosting.patience
        self.growth = {
            "max_leaf_nodes": leaves,
            "max_depth": depth,
            "learning_rate": boosting.learning_rate,
            "min_samples_leaf": min_events,
            "l2_regularization": boosting.l2,
            "max_features": boosting.feature_fraction,
            "max_bins": boosting.bins,
        }

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        loss: Head,
        *,
        seed: int,
        threads: int,
    ) -> History:
        """Grow the trees; return the losses of each round.

        The trees after the round of the best validation loss are removed. Raises StudyError for
        unsupported losses or weights, and DataError without training events.
        """
        self.check_loss(loss)
        events, validation_events = (
            load_training_sample(training, loss),
            load_sample(validation, loss),
        )
        patience = self.patience if validation_events else None
        grower = self._grower(loss, seed, patience or self.rounds + 1)
        validated = validation_events is not None
        grower.losses = losses = _LossHistory(self.rounds, grower.loss, validated)
        monitored = validation_events or events  # without validation events: not in the history
        with threadpool_limits(threads):
            grower.fit(
                events.table,
                events.target,
                events.weight,
                X_val=monitored.table,
                y_val=monitored.target,
                sample_weight_val=monitored.weight,
            )
        rounds = self.rounds
        if patience:
            rounds = 1 + int(np.argmin([row["validation_loss"] for row in losses.history]))
        self._set_grower(grower, rounds)
        return losses.history

    def check_loss(self, loss: Head) -> None:
        """Raise StudyError if the model cannot fit this loss, or several values or quantiles."""
        super().check_loss(loss)
        if not loss.target.classes and loss.outputs > 1:
            raise StudyError(
                f"model 'histogram_trees' fits one value, and loss '{loss.name}' on target "
                f"'{loss.target.name}' has {loss.outputs}; use 'boosted_trees'"
            )

    def _grower(self, loss: Any, seed: int, patience: int) -> Any:
        from sklearn import ensemble

        name = self.supported_losses[loss.name]
        options: dict[str, Any] = dict(self.growth)
        options |= {"loss": name, "random_state": seed, "max_iter": self.rounds}
        options |= {"early_stopping": True, "n_iter_no_change": patience}
        if name == "log_loss":
            return _with_history(ensemble.HistGradientBoostingClassifier)(**options)
        level = loss.levels[0] if name == "quantile" else None
        grower = _with_history(ensemble.HistGradientBoostingRegressor)
        return grower(**options, quantile=level)

    def _set_grower(self, grower: Any, rounds: int) -> None:
        """Set the trees of the first rounds, which are private attributes in scikit-learn."""
        predictors = grower._predictors[:rounds]
        shift = self.outputs - grower.n_trees_per_iteration_
        base = np.zeros(self.outputs)
        base[shift:] = grower._baseline_prediction.ravel()
        trees = [
            _to_tree(predictor.nodes, column + shift, self.outputs)
            for row in predictors
            for column, predictor in enumerate(row)
        ]
        self.trees.set_trees(trees, base)
        nodes = [predictor.nodes for row in predictors for predictor in row]
        self.set_importance(_split_gains(nodes, self.features))


@dataclass
class _LossHistory:
    """Records the losses of each round and reports the progress."""

    rounds: int
    loss: str
    validated: bool
    history: History = field(default_factory=list)

    def __call__(self, training: float, validation: float) -> None:
        scale = -2.0 if self.loss == "squared_error" else -1.0  # scikit-learn has ½ the square
        row = {"training_loss": float(scale * training)}
        if self.validated:
            row["validation_loss"] = float(scale * validation)
        self.history.append(row)
        report_round(len(self.history), self.rounds, row)


def _with_history(grower: type[Any]) -> type[Any]:
    """Return a class of scikit-learn that records the losses of each round.

    In a private hook: scikit-learn has no public one.
    """

    class WithHistory(grower):  # type: ignore[misc]
        losses: _LossHistory

        def _check_early_stopping_loss(self, *arguments: Any, **named: Any) -> bool:
            stop: bool = super()._check_early_stopping_loss(*arguments, **named)
            training, validation = vars(self)["train_score_"], vars(self)["validation_score_"]
            if len(training) > 1:  # the first is that without trees
                self.losses(training[-1], validation[-1])
            return stop

    return WithHistory


def _to_tree(nodes: Any, column: int, outputs: int) -> Tree:
    leaf = nodes["is_leaf"] == 1
    value = np.zeros((len(nodes), outputs))
    value[:, column] = np.where(leaf, nodes["value"], 0)
    return Tree(
        np.where(leaf, -1, nodes["left"].astype(np.int64)),
        nodes["right"].astype(np.int64),
        nodes["feature_idx"],
        nodes["num_threshold"],
        nodes["missing_go_to_left"] == 1,
        value,
    )


def _split_gains(nodes: list[Any], features: int) -> np.ndarray[Any, Any]:
    total = np.zeros(features)
    for tree in nodes:
        cuts = tree[tree["is_leaf"] == 0]
        total += np.bincount(cuts["feature_idx"], cuts["gain"], minlength=features)
    return total
