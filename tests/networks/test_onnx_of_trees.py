"""Trees go to ONNX with any number of events."""

import numpy as np
import pytest
import torch
from exported import check_onnx

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.methods.fitted_module import FittedModule
from bunchtrain.targets import Target

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def inputs(model, lengths):
    return {"table": torch.randn(len(lengths), 4)}


@pytest.mark.parametrize("name", ["boosted_trees", "histogram_trees", "random_forest"])
def test_onnx_gives_the_same_numbers(name, tmp_path):
    torch.manual_seed(1)
    table = np.random.default_rng(1).standard_normal((300, 4), np.float32)
    batch = Batch({"table": table}, {"label": (table[:, 0] > 0).astype(np.int64)})
    model = parts.build("model", name, {"trees": 5}, 4, 2)
    model.fit([batch], [], CrossEntropy(Target("label", ("a", "b"))), seed=1, threads=1)
    check_onnx(FittedModule(model), inputs, tmp_path / "model.onnx", tolerance=1e-5)
