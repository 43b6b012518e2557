"""TreeNiN: the recursion node by node, and trees that do not see one another."""

import numpy as np
import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.networks.tree_nin import TreeNiN
from bunchtrain.physics.clustering_trees import clustering_trees
from bunchtrain.physics.kinematics import from_cylindrical


def inputs(lengths, seed=0):
    """Return the trees of random jets of so many points, with five random features a node."""
    random = np.random.default_rng(seed)
    lengths = np.array(lengths)
    pt, (eta, phi) = (
        random.exponential(20, lengths.sum()),
        random.normal(0, 0.3, (2, lengths.sum())),
    )
    trees = clustering_trees(from_cylindrical(pt + 1, eta, phi), lengths)
    features = torch.from_numpy(random.normal(size=(len(trees.levels), 5))).float()
    numbers = {name: torch.from_numpy(getattr(trees, name)) for name in ("children", "levels")}
    return {"features": features, **numbers, "lengths": torch.from_numpy(trees.lengths)}


def small():
    torch.manual_seed(1)
    return TreeNiN(5, 2, width=6, widths=(7,)).eval()


def recursion(model, given):
    """Return the outputs by the recursion as the paper writes it."""
    outputs, first = [], 0
    for length in given["lengths"].tolist():
        o, children = given["features"][first : first + length], given["children"][first:]

        def embedding(k, o=o, children=children):
            if children[k, 0] < 0:
                return model.point(o[k])
            left, right = (embedding(int(child)) for child in children[k])
            return model.join(torch.cat([left, right, model.node(o[k])]))

        root = embedding(length - 1) if length else torch.zeros(model.width)
        outputs.append(model.dense(root))
        first += length
    return torch.stack(outputs)


def test_the_recursion_node_by_node():
    model, given = small(), inputs([4, 1, 0, 17, 2, 30])
    torch.testing.assert_close(model(**given), recursion(model, given), rtol=1e-5, atol=1e-6)


def test_a_jet_does_not_see_the_others():
    model, given = small(), inputs([4, 1, 0, 17, 2, 30])
    rows = [3, 2, 0, 5]
    arrays = {name: value.numpy() for name, value in given.items()}
    taken = Batch(arrays).take(np.array(rows)).tensors().inputs
    assert taken["children"].shape == (33 + 7 + 59, 2)
    torch.testing.assert_close(model(**taken), model(**given)[rows], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(lengths):
    model = small()
    output = model(**inputs(lengths))
    assert output.shape == (len(lengths), 2)
    output.square().sum().backward()
    assert torch.isfinite(model.dense[-1].weight.grad).all()


def test_the_paper_s_size():
    assert sum(p.numel() for p in TreeNiN(7, 1).parameters()) == 33_901  # 34 k in its table


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_onnx_gives_the_same_numbers(tmp_path):
    points = [1, 2, 3, 4, 0, 20]
    check_onnx(
        small(),
        lambda _, lengths: inputs([points[n % 6] for n in lengths], seed=len(lengths)),
        tmp_path / "model.onnx",
        tolerance=1e-5,
    )
