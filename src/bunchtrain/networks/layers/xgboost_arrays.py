"""XGBoost's trees, from its JSON, as plain arrays."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.networks.layers.decision_trees import Tree


def as_arrays(learner: Any, outputs: int) -> tuple[list[Tree], NDArray[Any]]:
    """Return the trees and the base of XGBoost's JSON, for `DecisionTrees.plant`."""
    start = json.loads(learner["learner_model_param"]["base_score"])
    if learner["objective"]["name"] == "binary:logistic":
        start = [math.log(p / (1 - p)) for p in start]
    base = np.zeros(outputs)
    base[-len(start) :] = start
    model = learner["gradient_booster"]["model"]
    shift = outputs - len(start)
    pairs = zip(model["trees"], model["tree_info"], strict=True)
    return [_tree(tree, column + shift, outputs) for tree, column in pairs], base


def _tree(tree: Any, column: int, outputs: int) -> Tree:
    left = np.array(tree["left_children"])
    cuts = np.array(tree["split_conditions"], np.float32)  # holds the values of the leaves, too
    value = np.zeros((len(left), outputs))
    value[:, column] = np.where(left < 0, cuts, 0)
    return Tree(
        left,
        np.array(tree["right_children"]),
        np.array(tree["split_indices"]),
        np.nextafter(cuts, np.float32(-np.inf)).astype(float),  # x < cut is x ≤ the one below
        np.array(tree["default_left"]) == 1,
        value,
    )
