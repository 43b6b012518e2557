"""A pruned network goes to ONNX with what is taken out, and gives its numbers."""

import numpy as np
import pytest
from trained_models import events, trained_model

from bunchtrain.deployment.export import export, make_target

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.mark.filterwarnings("ignore")
def test_a_pruned_network_goes_to_onnx(tmp_path):
    made = trained_model("dense_network", {"widths": (8, 8), "pruning": {"sparsity": 0.5}})
    model = made.network.model
    model.anneal(1.0)
    kept = model.layers[0].weight.mask
    assert not kept.all()
    verification = export(made, make_target("onnx"), "onnx", events(300, seed=3), tmp_path)
    assert verification.holds
    assert verification.agreements[0].flipped == 0
    weights = onnx.load(tmp_path / "model.onnx").graph.initializer
    shape = sorted(kept.shape)
    found = [onnx.numpy_helper.to_array(w) for w in weights if sorted(w.dims) == shape]
    assert any(np.sum(one == 0) == int((~kept.bool()).sum()) for one in found)
