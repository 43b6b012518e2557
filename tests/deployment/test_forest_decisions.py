"""Circuits of trees decide as the trained trees where features are discrete."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

pytest.importorskip("xgboost")
import xgboost

from bunchtrain.deployment.circuits.forest import Forest, feature_formats
from bunchtrain.errors import ExportError
from bunchtrain.networks.layers.trees import DecisionTrees, Tree
from bunchtrain.networks.layers.xgboost_adapter import trees_from_json

NAMES = ["jets", "tracks", "charge"]


def discrete_events(seed, step):
    random = np.random.default_rng(seed)
    label = random.integers(0, 2, 2000)
    columns = (
        random.poisson(3 + 2 * label) * step,
        random.poisson(12 + 5 * label) * step,
        random.integers(-1, 2, 2000) + (random.random(2000) < 0.3) * label,
    )
    table = np.stack(columns, 1).astype(np.float64)
    return ((table - table.mean(0)) / table.std(0)).astype(np.float32), label


@pytest.mark.parametrize("step", [1.0, 0.1, 0.37])
@pytest.mark.parametrize("bits", [8, 11, 16, 20])
def test_boosted_trees_on_discrete_features_decide_alike(bits, step):
    table, label = discrete_events(4, step)
    booster = xgboost.train(
        {"max_depth": 3, "objective": "binary:logistic", "tree_method": "hist"},
        xgboost.DMatrix(table, label),
        12,
    )
    trees = DecisionTrees(1)
    learner = json.loads(booster.save_raw("json"))["learner"]
    trees.set_trees(*trees_from_json(learner, 1))
    truth = booster.inplace_predict(table, predict_type="margin")
    forest = Forest(trees, feature_formats(trees, 3, bits), 16, NAMES)
    found = forest.sample({"table": torch.from_numpy(table)}).outputs[:, 0]
    assert np.abs(found - truth).max() < 12 * 2.0**-17 + 1e-5


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=6),
    st.integers(1, 20),
    st.integers(-3, 3),
)
def test_values_on_and_around_each_cut_go_the_side_of_the_trees(cuts, bits, extra):
    values = [np.array([0.0, 1.0, 2.0])[:, None]] * len(cuts)
    left, right = np.array([1, -1, -1]), np.array([2, -1, -1])
    trees = DecisionTrees(1)
    trees.set_trees(
        [
            Tree(left, right, np.zeros(3, int), np.full(3, cut), np.zeros(3, bool), value)
            for cut, value in zip(cuts, values, strict=True)
        ],
        np.zeros(1),
    )
    formats = feature_formats(trees, 1, bits)
    step = 2.0 ** -float(formats[2][0])
    exact = trees.threshold[trees.roots]
    above, far = np.nextafter(exact, np.float32(np.inf)), exact * 0 + extra * 1000.0
    table = np.concatenate([above, exact + 1.01 * step, exact - 1.01 * step, far])
    table = table.astype(np.float32)
    sample = Forest(trees, formats, 0, ["x"]).sample({"table": torch.from_numpy(table)[:, None]})
    one_by_one = (table[:, None] > exact).sum(1) + len(cuts)
    near = ((table[:, None] <= exact) & (table[:, None] > exact - step)).any(1)
    np.testing.assert_array_equal(sample.outputs[~near, 0], one_by_one[~near])


def test_a_missing_value_has_no_fixed_point_number():
    trees = DecisionTrees(1)
    trees.set_trees([], np.zeros(1))
    table = torch.tensor([[0.0, 1.0], [0.0, float("nan")]])
    forest = Forest(trees, feature_formats(trees, 2, 8), 5, ["a", "b"])
    with pytest.raises(ExportError, match=r"feature 'b' is missing \(NaN\) in 1 events"):
        forest.sample({"table": table})
