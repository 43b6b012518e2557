"""Gradient-boosted trees on histograms by scikit-learn, in the manner of LightGBM.

The library is arXiv:1201.0490, the method Ke et al., NIPS 30 (2017).
f(x) = b + η Σ_t f_t(x); the trees grow leaf by leaf, each time at the leaf of the largest gain, on
features in 255 bins. Needs all training events in memory. The trees are
saved as plain tensors, without a pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.networks.layers.decision_trees import Tree
from bunchtrain.networks.layers.trees import (
    History,
    Progress,
    Trees,
    need_one_number,
    part_name,
    quantile_levels,
    training_sample,
    whole,
)

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss


class HistogramTrees(Trees):
    """Gradient-boosted trees on histograms by scikit-learn (arXiv:1201.0490).

    trees             rounds of boosting at most; of several classes each gets a tree a round.
    leaves            leaves of a tree at most.
    depth             cuts from root to leaf at most; no bound if unset.
    learning_rate     factor η on each tree.
    min_events        least number of events in a leaf.
    l2                penalty on the values of the leaves.
    feature_fraction  share of the features that a cut sees.
    bins              bins of a feature, between which cuts are made, 255 at most.
    patience          stop after so many rounds without a better validation loss.
    """

    objectives: ClassVar[Mapping[str, str]] = {
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
        trees: int = 500,
        leaves: int = 31,
        depth: int | None = None,
        learning_rate: float = 0.1,
        min_events: int = 20,
        l2: float = 0.0,
        feature_fraction: float = 1.0,
        bins: int = 255,
        patience: int | None = 20,
    ) -> None:
        super().__init__(table, outputs)
        self.rounds, self.patience = trees, patience
        self.growth = {
            "max_leaf_nodes": leaves,
            "max_depth": depth,
            "learning_rate": learning_rate,
            "min_samples_leaf": min_events,
            "l2_regularization": l2,
            "max_features": feature_fraction,
            "max_bins": bins,
        }

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        objective: Loss,
        *,
        seed: int,
        threads: int,
        progress: Progress | None = None,
    ) -> History:
        """Grow the trees; return the losses of each round.

        The trees after the round of the best validation loss are cut off. Raises StudyError for
        an objective or weights that trees cannot do, and DataError without training events.
        """
        self.check(objective)
        events, tested = training_sample(training, objective), whole(validation, objective)
        patience = self.patience if tested else None
        grower = self._grower(objective, seed, patience or self.rounds + 1)
        grower.watch = watch = _Watch(self.rounds, grower.loss, tested is not None, progress)
        given = tested or events  # without validation events only the training loss is told
        with threadpool_limits(threads):
            grower.fit(
                events.table,
                events.target,
                events.weight,
                X_val=given.table,
                y_val=given.target,
                sample_weight_val=given.weight,
            )
        self._take(grower, _best(watch.history) if patience else self.rounds)
        return watch.history

    def _grower(self, objective: Loss, seed: int, patience: int) -> Any:
        loss = self.objectives[part_name(objective)]
        need_one_number(objective, "histogram_trees")
        options: dict[str, Any] = dict(self.growth)
        options |= {"loss": loss, "random_state": seed, "max_iter": self.rounds}
        options |= {"early_stopping": True, "n_iter_no_change": patience}
        if loss == "log_loss":
            return _Classifier(**options)
        level = quantile_levels(objective)[0] if loss == "quantile" else None
        return _Regressor(**options, quantile=level)

    def _take(self, grower: Any, rounds: int) -> None:
        """Keep the first rounds; scikit-learn has them in private attributes only."""
        kept = grower._predictors[:rounds]
        shift = self.outputs - grower.n_trees_per_iteration_
        base = np.zeros(self.outputs)
        base[shift:] = grower._baseline_prediction.ravel()
        trees = [
            _tree(predictor.nodes, column + shift, self.outputs)
            for row in kept
            for column, predictor in enumerate(row)
        ]
        self.trees.plant(trees, base)
        nodes = [predictor.nodes for row in kept for predictor in row]
        self.take_importance(_gains(nodes, self.features))

    def forward(self, table: Tensor) -> Tensor:
        """Return margins (batch, outputs) from `table` (batch, feature); NaN is a missing value.

        Of two classes, the first margin is 0. Raises RunError before the fit.
        """
        self.need_fit()
        return self.trees(table)  # type: ignore[no-any-return]

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return the trees as arrays by name."""
        return self.trees.arrays()

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Take the trees from arrays by name."""
        self.trees.hold(state)


@dataclass
class _Watch:
    """Writes the losses down after each round, and tells them."""

    rounds: int
    loss: str
    validated: bool
    progress: Progress | None
    history: History = field(default_factory=list)

    def __call__(self, training: float, validation: float) -> None:
        scale = -2.0 if self.loss == "squared_error" else -1.0  # scikit-learn halves the square
        row = {"training_loss": float(scale * training)}
        if self.validated:
            row["validation_loss"] = float(scale * validation)
        self.history.append(row)
        if self.progress is not None:
            self.progress(len(self.history), self.rounds, row)


class _Watched:
    """Tells the scores after each round; scikit-learn has a private hook for it only."""

    watch: _Watch

    def _check_early_stopping_loss(self, *arguments: Any, **named: Any) -> bool:
        stop: bool = super()._check_early_stopping_loss(*arguments, **named)  # type: ignore[misc]
        training, validation = vars(self)["train_score_"], vars(self)["validation_score_"]
        if len(training) > 1:  # the first is that of no trees
            self.watch(training[-1], validation[-1])
        return stop


class _Classifier(_Watched, HistGradientBoostingClassifier):  # type: ignore[misc]
    """Classifier that tells its losses."""


class _Regressor(_Watched, HistGradientBoostingRegressor):  # type: ignore[misc]
    """Regressor that tells its losses."""


def _best(history: History) -> int:
    return 1 + int(np.argmin([row["validation_loss"] for row in history]))


def _tree(nodes: Any, column: int, outputs: int) -> Tree:
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


def _gains(nodes: list[Any], features: int) -> np.ndarray[Any, Any]:
    total = np.zeros(features)
    for tree in nodes:
        cuts = tree[tree["is_leaf"] == 0]
        total += np.bincount(cuts["feature_idx"], cuts["gain"], minlength=features)
    return total
