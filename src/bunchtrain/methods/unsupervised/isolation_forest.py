"""Isolation forest: events that few random cuts separate from all others are anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bunchtrain.methods.unsupervised._fit_method import Array, FitMethod
from bunchtrain.networks.layers.trees import DecisionTrees, Tree
from bunchtrain.parts.ranges import Sampled, Trees
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE


class IsolationForest(FitMethod):
    """Isolation forest by scikit-learn (arXiv:1201.0490; Liu, Ting, Zhou, ICDM 2008).

    The anomaly score is 2^(−h(x)/c), with the mean number h of random cuts that isolate x in trees
    of a few events each, and c its expectation for a search that fails.

    trees   number of trees.
    events  events of each tree.
    """

    quantities = (ANOMALY_SCORE,)
    takes_condition = False

    def __init__(
        self, sizes: Mapping[str, Size], *, trees: Trees = 100, events: Sampled = 256
    ) -> None:
        super().__init__(sizes)
        self.tree_count, self.events = trees, events
        self.trees = DecisionTrees(1)

    def fit_values(self, values: Array, weight: Array, seed: int, threads: int) -> None:
        """Grow the trees."""
        from sklearn import ensemble  # which takes half a second

        grower = ensemble.IsolationForest(
            n_estimators=self.tree_count,
            max_samples=min(self.events, len(values)),
            random_state=seed,
            n_jobs=threads,
        )
        equal = np.ptp(weight) == 0
        grower.fit(values.astype(np.float32), sample_weight=None if equal else weight)
        scale = mean_cuts(np.array([grower.max_samples_]))[0] * self.tree_count
        pairs = zip(grower.estimators_, grower.estimators_features_, strict=True)
        self.trees.set_trees([_to_tree(one.tree_, used, scale) for one, used in pairs], np.zeros(1))

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the anomaly score of each event, (batch,), which is not minimised."""
        table = inputs[self.tensor].flatten(1)
        if torch.compiler.is_exporting():
            arrays = {name: torch.tensor(array) for name, array in self.trees.arrays().items()}
            return {"anomaly_score": torch.exp2(-self.trees.evaluate(arrays, table).squeeze(1))}
        depth = self.trees(table.numpy(force=True)).squeeze(1)
        return {"anomaly_score": torch.from_numpy(np.exp2(-depth)).to(table.device)}

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the anomaly score of each event, (batch,)."""
        return {ANOMALY_SCORE: self.losses(inputs)["anomaly_score"]}

    def get_extra_state(self) -> dict[str, Tensor]:
        """Return the trees as arrays by name."""
        return {name: torch.from_numpy(x) for name, x in self.trees.arrays().items()}

    def set_extra_state(self, state: dict[str, Tensor]) -> None:
        """Set the trees from arrays by name."""
        self.trees.set_arrays({name: x.numpy(force=True) for name, x in state.items()})


def mean_cuts(events: Array) -> Array:
    """Return the mean number of cuts of an unsuccessful search among events, (…,).

    c(n) = 2 (ln(n − 1) + γ) − 2 (n − 1)/n, with c(2) = 1 and 0 for one event.
    """
    n = np.maximum(events, 3).astype(float)
    many = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    return np.where(events > 2, many, np.where(events == 2, 1.0, 0.0))


def _to_tree(tree: Any, used: Array, scale: float) -> Tree:
    """Return a tree whose leaves are the cuts that isolate an event in it, over `scale`."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # parents come before their children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child >= 0:
                depth[child] = depth[node] + 1
    leaf = tree.children_left < 0
    cuts = np.where(leaf, depth + mean_cuts(tree.n_node_samples), 0) / scale
    return Tree(
        tree.children_left,
        tree.children_right,
        used[np.maximum(tree.feature, 0)],
        tree.threshold,
        np.zeros(tree.node_count, bool),
        cuts[:, None],
    )
