"""lwtnn's layout: values from its equations, round trips, rejections."""

import json

import numpy as np
import pytest
from cpp_runtime import read_scores, scores_of_tensors
from trained_models import CLOUD, events, trained_model

from bunchtrain.deployment import lwtnn
from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.cpp.program import Unsupported
from bunchtrain.deployment.export import make_target
from bunchtrain.deployment.verification import compare_scores

INPUTS = [{"name": "a", "offset": -1.0, "scale": 2.0}, {"name": "b", "offset": 3.0, "scale": 0.5}]


def test_a_file_gives_the_values_of_its_equations(runtime, tmp_path):
    dense = {"architecture": "dense", "weights": [1.0, 2.0, -1.0, 0.5], "bias": [0.1, -0.2]}
    layers = [
        {"architecture": "normalization", "weights": [2.0, -1.0], "bias": [0.5, 1.0]},
        {**dense, "activation": "rectified"},
        {**dense, "activation": {"function": "leakyrelu", "alpha": 0.3}},
        {"architecture": "dense", "weights": [], "bias": [], "activation": "softmax"},
    ]
    content = {"inputs": INPUTS, "layers": layers, "outputs": ["x", "y"]}
    given = np.array([[0.7, -1.2]], np.float32)
    found = scores_of_tensors(runtime, lwtnn.read(content).json(), {"x": given}, tmp_path)
    x = (given[0] + np.array([-1.0, 3.0])) * [2.0, 0.5]
    x = (x + np.array([0.5, 1.0])) * [2.0, -1.0]
    weights = np.array([[1.0, 2.0], [-1.0, 0.5]])
    x = np.maximum(weights @ x + [0.1, -0.2], 0)
    x = weights @ x + [0.1, -0.2]
    x = np.exp(np.where(x > 0, x, 0.3 * x))
    np.testing.assert_allclose(found, x / x.sum(), atol=1e-6)


@pytest.mark.parametrize(
    "made",
    [
        lambda: trained_model("dense_network", {"widths": (8, 5), "batch_norm": True}),
        lambda: trained_model("dense_network", {"widths": (8,), "activation": "silu"}),
        lambda: trained_model(
            "recurrent_network", {"hidden": 6, "layers": 2, "widths": (4,)}, CLOUD
        ),
        lambda: trained_model(
            "dense_network", {"widths": (3,)}, terms=[("binary_cross_entropy", {}, "jet", 1.0)]
        ),
    ],
)
def test_writing_and_reading_keeps_the_scores_of_the_network(made, runtime, tmp_path):
    made, given = made(), events()
    content = json.loads(json.dumps(lwtnn.write(convert(made))))
    kept = compilation.write_events(made, given, tmp_path / "events.bin")
    rows = read_scores(runtime, lwtnn.read(content).json(), tmp_path).reshape(len(kept), -1)
    found = {name: rows[:, k] for k, name in enumerate(content["outputs"])}
    assert compare_scores("lwtnn", made.predict(given), found, made.task.targets, 1e-5).holds


def test_layers_that_the_layout_lacks_are_named():
    target = make_target("lwtnn")
    assert "no layer like 'gru'" in target.unsupported_reason(
        trained_model("recurrent_network", {"cell": "gru", "hidden": 3}, CLOUD)
    )
    assert "no layer like 'sum'" in target.unsupported_reason(
        trained_model("particle_flow_network", {}, CLOUD)
    )
    gelu = trained_model("dense_network", {"widths": (3,), "activation": "gelu"})
    assert "no activation 'gelu'" in target.unsupported_reason(gelu)


def test_layers_that_the_runtime_lacks_are_named():
    content = {"inputs": INPUTS, "layers": [{"architecture": "maxout"}], "outputs": ["x"]}
    with pytest.raises(Unsupported, match="lwtnn layer 'maxout'"):
        lwtnn.read(content)
    dense = {"architecture": "dense", "weights": [], "bias": [], "activation": "hard_sigmoid"}
    with pytest.raises(Unsupported, match="activation 'hard_sigmoid'"):
        lwtnn.read({**content, "layers": [dense]})
