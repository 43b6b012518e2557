"""Trees go to ONNX with any number of events."""

import pytest
import torch
from exported import check_onnx

from bunchtrain.batch import Batch
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.networks.fitted.boosted_trees import BoostedTrees
from bunchtrain.networks.fitted.histogram_trees import HistogramTrees
from bunchtrain.networks.fitted.random_forest import RandomForest
from bunchtrain.targets import Target

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def inputs(model, lengths):
    return {"table": torch.randn(len(lengths), 4)}


@pytest.mark.parametrize("kind", [BoostedTrees, HistogramTrees, RandomForest])
def test_onnx_gives_the_same_numbers(kind, tmp_path):
    torch.manual_seed(1)
    table = torch.randn(300, 4)
    batch = Batch({"table": table}, {"label": (table[:, 0] > 0).long()})
    model = kind(4, 2, trees=5)
    model.fit([batch], [], CrossEntropy(Target("label", ("a", "b"))), seed=1, threads=1)
    check_onnx(model.eval(), inputs, tmp_path / "model.onnx", tolerance=1e-5)
