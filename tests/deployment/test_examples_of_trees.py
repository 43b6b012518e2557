"""Made-up trees are trees, as those of the representation."""

from bunchtrain.deployment.examples import example_inputs

SIZES = {"features": 7, "children": 2, "levels": (), "lengths": ()}


def test_made_up_trees_are_trees():
    made = example_inputs(SIZES, tuple(SIZES), (3, 0, 1, 2))
    assert made["lengths"].tolist() == [5, 0, 1, 3]
    assert made["features"].shape == (9, 7)
    leaf = [-1, -1]
    three = [leaf, leaf, leaf, [0, 1], [3, 2]]
    assert made["children"].tolist() == [*three, leaf, leaf, leaf, [0, 1]]
    assert made["levels"].tolist() == [2, 2, 1, 1, 0, 0, 1, 1, 0]
