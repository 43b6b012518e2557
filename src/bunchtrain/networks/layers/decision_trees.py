"""Decision trees as arrays: every event walks down all trees at once.

Trees that were grown by a library are kept as plain tensors, so that a saved network holds no
pickle, does not depend on the library's version, and is predicted and exported as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

#: Pairs (event, tree) that walk together, which bounds the memory.
PAIRS = 1 << 17


@dataclass(frozen=True)
class Tree:
    """One tree; its nodes are numbered, the root is 0.

    left, right   (nodes,) the children; −1 in leaves.
    feature       (nodes,) the feature that is cut on.
    threshold     (nodes,) an event with x ≤ threshold goes left.
    missing_left  (nodes,) whether an event without this feature (NaN) goes left.
    value         (nodes, outputs) what a leaf adds to the outputs.
    """

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing_left: NDArray[np.bool_]
    value: NDArray[np.float64]


def round_down(threshold: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the largest float32 ≤ threshold: a float32 x is below both or above both."""
    rounded = threshold.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf), dtype=np.float32)
    return np.where(rounded > threshold, below, rounded).astype(np.float32)


class DecisionTrees(nn.Module):
    """Sum of decision trees, f(x) = b + Σ_t leaf_t(x), as (batch, outputs).

    The model that owns the trees saves the arrays as its extra state, since their sizes are known
    after the fit only.
    """

    ARRAYS = ("roots", "branches", "feature", "threshold", "missing_left", "value", "base")

    roots: Tensor  # (trees,) number of the first node
    branches: Tensor  # (2 · nodes,) right and left child of each node; a leaf is its own child
    feature: Tensor  # (nodes,)
    threshold: Tensor  # (nodes,)
    missing_left: Tensor  # (nodes,)
    value: Tensor  # (nodes, outputs)
    base: Tensor  # (outputs,)
    depth: int

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.plant([], np.zeros(outputs))

    def plant(self, trees: Sequence[Tree], base: NDArray[np.float64]) -> None:
        """Take these trees, and b = `base` (outputs,), instead of those held."""
        sizes = [len(tree.left) for tree in trees]
        roots = np.cumsum([0, *sizes])[:-1]
        branches = [_branches(tree) + root for tree, root in zip(trees, roots, strict=True)]
        none = np.zeros((0, len(base)))
        arrays = {
            "roots": roots.astype(np.int64),
            "branches": _joined(np.zeros((0, 2), np.int64), branches).ravel(),
            "feature": _joined(np.zeros(0, np.int64), [_cut(t, t.feature, 0) for t in trees]),
            "threshold": round_down(_joined(none[:, 0], [t.threshold for t in trees])),
            "missing_left": _joined(np.zeros(0, bool), [t.missing_left for t in trees]),
            "value": _joined(none, [t.value for t in trees]).astype(np.float32),
            "base": np.asarray(base, np.float32),
        }
        self.hold({name: torch.from_numpy(array) for name, array in arrays.items()})

    def hold(self, arrays: dict[str, Tensor]) -> None:
        """Take the arrays by name, to the device of those held."""
        device = getattr(self, "base", arrays["base"]).device
        for name in self.ARRAYS:
            self.register_buffer(name, arrays[name].to(device), persistent=False)
        self.depth = self._longest_path()

    def _longest_path(self) -> int:
        node, steps = self.roots, 0
        branches = self.branches.view(-1, 2)
        while len(node := torch.unique(node[branches[node, 0] != node])):
            node, steps = branches[node].flatten(), steps + 1
        return steps

    def arrays(self) -> dict[str, Tensor]:
        """Return the arrays by name."""
        return {name: getattr(self, name).cpu() for name in self.ARRAYS}

    def forward(self, table: Tensor) -> Tensor:
        """Return f(x), (batch, outputs), from `table` (batch, feature); NaN is a missing value."""
        if torch.compiler.is_exporting():
            return self._walk(table)
        rows = max(1, PAIRS // max(1, len(self.roots)))
        return torch.cat([self._walk(part) for part in torch.split(table, rows)])

    def _walk(self, table: Tensor) -> Tensor:
        table = table.float()
        missing = table.isnan()
        node = self.roots.expand(len(table), -1)  # (batch, tree)
        for _ in range(self.depth):
            feature = self.feature[node]
            left = table.gather(1, feature) <= self.threshold[node]
            left = left | (missing.gather(1, feature) & self.missing_left[node])
            node = self.branches[2 * node + left]
        return self.base + self.value[node].sum(1)


def _branches(tree: Tree) -> NDArray[np.int64]:
    own = np.arange(len(tree.left))
    return np.stack([_cut(tree, tree.right, own), _cut(tree, tree.left, own)], 1)


def _cut(tree: Tree, inner: NDArray[np.int64], leaf: NDArray[np.int64] | int) -> NDArray[np.int64]:
    return np.where(tree.left < 0, leaf, inner).astype(np.int64)


def _joined(none: NDArray[Any], parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([none, *parts])
