"""A model as ONNX Runtime sees it, beside the model itself."""

import numpy as np
import pytest
import torch
from onnx_tables import keep_onnx_tables

POINTWISE = {"features", "coordinates", "momenta", "children", "levels"}
SPECIAL = {"edges": {1: "edges"}, "edge_features": {0: "edges"}}


def check_onnx(model, inputs, path, tolerance):
    """Export `model` and compare; `inputs(model, lengths)` gives its tensors by name."""
    onnxruntime = pytest.importorskip("onnxruntime")
    keep_onnx_tables()
    example = inputs(model, [3, 0, 5, 2])
    torch.onnx.export(
        model, (), path, kwargs=example, dynamo=True, verbose=False,
        dynamic_shapes={k: SPECIAL.get(k, {0: "points" if k in POINTWISE else "batch"})
                        for k in example},
        input_names=list(example),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path)
    for lengths in [[3, 0, 5, 2], [1, 2, 7, 0, 0, 4, 9]]:
        given = inputs(model, lengths)
        (output,) = session.run(None, {k: v.numpy() for k, v in given.items()})
        with torch.no_grad():
            np.testing.assert_allclose(output, model(**given), rtol=1e-4, atol=tolerance)
