"""Decision trees as arrays, evaluated for all events in parallel, and the base of tree models.

Trees grown by a library are stored as plain arrays: a saved model contains no pickle, does not
depend on the library's version, and is evaluated and exported in one way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.batch import Array
from bunchtrain.networks.layers.fit_models import FitModel
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import LearningRate, NonNegative, Share, Steps, Trees

#: Key of the state that is not of fixed size, as in the files of modules of torch.
EXTRA = "_extra_state"
#: Maximum number of pairs (event, tree) evaluated together, which bounds the memory.
MAX_PAIRS = 1 << 17


@dataclass(frozen=True)
class Tree:
    """One tree; nodes are indexed from the root, 0.

    left, right   (nodes,) indices of the children; −1 in leaves.
    feature       (nodes,) index of the feature of the cut.
    threshold     (nodes,) an event with x ≤ threshold goes left.
    missing_left  (nodes,) whether an event with a missing value (NaN) goes left.
    value         (nodes, outputs) contribution of a leaf to the outputs.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]

    def at_nodes(
        self, inner: NDArray[np.int64], leaf: NDArray[np.int64] | int
    ) -> NDArray[np.int64]:
        """Return (nodes,) values of `inner` at the nodes with a cut and `leaf` at the leaves."""
        return np.where(self.left < 0, leaf, inner).astype(np.int64)

    @property
    def branches(self) -> NDArray[np.int64]:
        """Right and left child of each node, (nodes, 2); a leaf is its own child."""
        own = np.arange(len(self.left))
        return np.stack([self.at_nodes(self.right, own), self.at_nodes(self.left, own)], 1)


def round_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 ≤ threshold, which gives the same cut on every float32 x."""
    rounded = threshold.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf), dtype=np.float32)
    return np.where(rounded > threshold, below, rounded).astype(np.float32)


class DecisionTrees:
    """Sum of decision trees, f(x) = b + Σ_t leaf_t(x), as (batch, outputs).

    Thresholds and table are in single precision; or in double, in which exports round them.
    """

    ARRAYS = ("roots", "branches", "feature", "threshold", "missing_left", "value", "base")

    roots: Array  # (trees,) index of the first node
    branches: Array  # (2 · nodes,) right and left child of each node; a leaf is its own child
    feature: Array  # (nodes,)
    threshold: Array  # (nodes,)
    missing_left: Array  # (nodes,)
    value: Array  # (nodes, outputs)
    base: Array  # (outputs,)
    depth: int

    def __init__(self, outputs: int) -> None:
        self.set_trees([], np.zeros(outputs))

    def set_trees(self, trees: Sequence[Tree], base: NDArray[np.float64]) -> None:
        """Replace the trees, and b by `base` (outputs,)."""
        sizes = [len(tree.left) for tree in trees]
        roots = np.cumsum([0, *sizes])[:-1]
        branches = [tree.branches + root for tree, root in zip(trees, roots, strict=True)]
        empty = np.zeros((0, len(base)))
        cuts = [tree.at_nodes(tree.feature, 0) for tree in trees]
        arrays: dict[str, NDArray[Any]] = {
            "roots": roots.astype(np.int64),
            "branches": np.concatenate([np.zeros((0, 2), np.int64), *branches]).ravel(),
            "feature": np.concatenate([np.zeros(0, np.int64), *cuts]),
            "threshold": round_down(np.concatenate([empty[:, 0], *(t.threshold for t in trees)])),
            "missing_left": np.concatenate([np.zeros(0, bool), *(t.missing_left for t in trees)]),
            "value": np.concatenate([empty, *(t.value for t in trees)]).astype(np.float32),
            "base": np.asarray(base, np.float32),
        }
        self.set_arrays(arrays)

    def set_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Replace the arrays by name."""
        for name in self.ARRAYS:
            setattr(self, name, np.asarray(arrays[name]))
        self.depth = self._longest_path()

    def _longest_path(self) -> int:
        node, steps = self.roots, 0
        branches = self.branches.reshape(-1, 2)
        while len(node := np.unique(node[branches[node, 0] != node])):
            node, steps = branches[node].flatten(), steps + 1
        return steps

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.ARRAYS}

    def __call__(self, table: Array) -> Array:
        """Return f(x), (batch, outputs), from `table` (batch, feature); NaN is a missing value."""
        table, arrays = table.astype(self.threshold.dtype, copy=False), self.arrays()
        rows = max(1, MAX_PAIRS // max(1, len(self.roots)))
        blocks = range(0, max(1, len(table)), rows)
        return np.concatenate([self.evaluate(arrays, table[i : i + rows]) for i in blocks])

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return f(x), (batch, outputs).

        arrays  those of `arrays`, in the type of the table.
        table   (batch, feature), an array or a tensor.
        """
        is_array = isinstance(table, np.ndarray)
        take = np.take if is_array else _take
        roots, missing = arrays["roots"], table != table
        # (batch, tree)
        node = np.tile(roots, (len(table), 1)) if is_array else roots.expand(table.shape[0], -1)
        gather = _gather if is_array else _gather_tensor
        for _ in range(self.depth):
            feature = take(arrays["feature"], node)
            left = gather(table, feature) <= take(arrays["threshold"], node)
            left = left | (gather(missing, feature) & take(arrays["missing_left"], node))
            node = take(arrays["branches"], 2 * node + left)
        values = arrays["value"][node]  # (batch, tree, outputs)
        total = values.sum(1, dtype=np.float64) if is_array else values.sum(1)
        return arrays["base"] + (total.astype(values.dtype) if is_array else total)


def _gather(table: Array, column: Array) -> Array:
    """Return the values of these columns, (batch, any), of each row."""
    rows = np.arange(len(table))[:, None] * table.shape[1]
    return np.asarray(table.reshape(-1).take(rows + column))


def _gather_tensor(table: Any, column: Any) -> Any:
    return table.gather(1, column)


def _take(values: Any, index: Any) -> Any:
    return values[index]


@dataclass(frozen=True)
class BoostingOptions(Options):
    """Options of boosted trees.

    trees             maximum number of rounds of boosting, each with one tree per output.
    learning_rate     factor η on each tree.
    l2                penalty λ on the values of the leaves.
    feature_fraction  fraction of the features used for a tree.
    bins              number of bins of a feature, at whose edges cuts are made.
    patience          early stopping after this number of rounds without a better validation loss.
    """

    trees: Trees = 500
    learning_rate: LearningRate = 0.1
    l2: NonNegative = 1.0
    feature_fraction: Share = 1.0
    bins: Annotated[int, Field(ge=2, le=65535)] = 256
    patience: Steps | None = 20


class TreeModel(FitModel):
    """Base of the tree models of all libraries.

    table    number of features.
    outputs  number of outputs.
    """

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__(table, outputs)
        self.trees = DecisionTrees(outputs)
        self.importance = np.zeros(table, np.float32)  # (feature,)

    @property
    def is_fitted(self) -> bool:
        """True once the trees are grown or loaded."""
        return len(self.trees.roots) > 0

    def feature_importance(self) -> Array:
        """Return the share of each feature in the split gain of all cuts, (feature,), of sum 1.

        Raises RunError before the fit.
        """
        self.check_is_fitted()
        return self.importance

    def set_importance(self, gains: NDArray[Any]) -> None:
        """Store split gains (feature,), normalised to sum 1."""
        share = gains / max(gains.sum(), np.finfo(float).tiny)
        self.importance = share.astype(np.float32)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays of the trees."""
        return self.trees.arrays()

    def forward(self, table: Array) -> Array:
        """Return the outputs (batch, outputs) from `table` (batch, feature); NaN is missing.

        Of boosted trees they are margins, the first of two classes 0. Raises RunError before the
        fit.
        """
        self.check_is_fitted()
        outputs: Array = self.transform(self.trees(table))
        return outputs

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return the outputs (batch, outputs)."""
        return self.transform(self.trees.evaluate(arrays, table))

    def transform(self, total: Any) -> Any:
        """Return the outputs (batch, outputs) from the sum of the trees, an array or a tensor."""
        return total

    def state(self) -> dict[str, Any]:
        """Return the importances and the trees, for `load_state`."""
        return {"importance": self.importance, EXTRA: self.trees.arrays()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set importances and trees."""
        self.importance = state["importance"].reshape(self.features)
        self.trees.set_arrays(state[EXTRA])
