"""Random forest by scikit-learn.

The library is arXiv:1201.0490, the method Breiman, Machine Learning 45, 5 (2001).
p(x) = (1/T) Σ_t p_t(x): the mean over trees, each grown on a bootstrap sample of the events, each
cut on the best of a few random features. Outputs of classes are log p, so that softmax returns p.
Needs all training events in memory. The trees are saved as plain arrays, without a
pickle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import (
    History,
    Sample,
    load_sample,
    load_training_sample,
    report_round,
)
from bunchtrain.networks.layers.trees import EXTRA, Tree, TreeModel
from bunchtrain.parts.ranges import Sampled, Share, TreeDepth, Trees

#: Trees grown between two rows of the history.
STRIDE = 20
#: Lower bound of a probability, so that its logarithm is finite.
SMALLEST = 1e-6


class RandomForest(TreeModel):
    """Random forest by scikit-learn (arXiv:1201.0490).

    trees             number of trees.
    depth             maximum number of cuts from root to leaf; unlimited if unset.
    min_events        minimum number of events in a leaf; 1 in Breiman's forests.
    feature_fraction  fraction of the features tried for a cut; if unset, the square root of their
                      number for classes and a third for values.
    """

    supported_losses: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "log_loss",
        "binary_cross_entropy": "log_loss",
        "mean_squared_error": "squared_error",
    }

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        trees: Trees = 200,
        depth: TreeDepth | None = None,
        min_events: Sampled = 10,
        feature_fraction: Share | None = None,
    ) -> None:
        super().__init__(table, outputs)
        self.tree_count, self.feature_fraction = trees, feature_fraction
        self.growth = {"max_depth": depth, "min_samples_leaf": min_events}
        self.gives_classes = False

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        loss: Head,
        *,
        seed: int,
        threads: int,
    ) -> History:
        """Grow the trees; return the losses after every 20 of them.

        Raises StudyError for unsupported losses or weights, and DataError without training events.
        """
        self.check_loss(loss)
        events = load_training_sample(training, loss)
        validation_events = load_sample(validation, loss)
        self.gives_classes = bool(loss.target.classes)
        grower = self._grower(seed, threads)
        history = []
        for count in [*range(STRIDE, self.tree_count, STRIDE), self.tree_count]:
            grower.set_params(n_estimators=count)
            grower.fit(events.table, events.target, events.weight)
            row = {"training_loss": self._loss(grower, events)}
            if validation_events is not None:
                row["validation_loss"] = self._loss(grower, validation_events)
            history.append(row)
            report_round(count, self.tree_count, row)
        trees = [_to_tree(e.tree_, self.tree_count, self.outputs) for e in grower.estimators_]
        self.trees.set_trees(trees, np.zeros(self.outputs))
        self.set_importance(grower.feature_importances_)
        return history

    def _grower(self, seed: int, threads: int) -> Any:
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        options = self.growth | {"random_state": seed, "n_jobs": threads, "warm_start": True}
        if self.gives_classes:
            return RandomForestClassifier(max_features=self.feature_fraction or "sqrt", **options)
        return RandomForestRegressor(max_features=self.feature_fraction or 1 / 3, **options)

    def _loss(self, grower: Any, sample: Sample) -> float:
        """Return the weighted mean of −log p of the true class, or of the squared error."""
        if self.gives_classes:
            p = grower.predict_proba(sample.table)[np.arange(len(sample)), sample.target]
            losses = -np.log(np.clip(p, SMALLEST, 1))
        else:
            square = (grower.predict(sample.table) - sample.target) ** 2
            losses = square.reshape(len(sample), -1).mean(1)
        return float(np.average(losses, weights=sample.weight))

    def transform(self, total: Any) -> Any:
        """Return log p, log p/(1−p) or values, (batch, outputs), from the mean of the trees."""
        if not self.gives_classes:
            return total
        p = total.clip(SMALLEST, 1 - SMALLEST)
        if isinstance(p, np.ndarray):
            return np.log(p) - np.log1p(-p) if self.outputs == 1 else np.log(p)
        return p.logit() if self.outputs == 1 else p.log()

    def state(self) -> dict[str, Any]:
        """Return importances, trees and whether they are of classes, for `load_state`."""
        found = super().state()
        return found | {EXTRA: found[EXTRA] | {"gives_classes": np.array(self.gives_classes)}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set importances and trees."""
        super().load_state(state)
        self.gives_classes = bool(state[EXTRA]["gives_classes"])


def _to_tree(tree: Any, count: int, outputs: int) -> Tree:
    """Return one of `count` trees; one output of two classes is the second's probability."""
    value = tree.value.reshape(tree.node_count, -1)[:, -outputs:] / count
    return Tree(
        tree.children_left,
        tree.children_right,
        tree.feature,
        tree.threshold,
        tree.missing_go_to_left.astype(bool),
        np.where(tree.children_left[:, None] < 0, value, 0),
    )
