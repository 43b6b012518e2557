"""Evaluates the events of example.npz with model.onnx: pip install onnxruntime numpy."""

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
example = np.load("example.npz")

# Tensors by name, not normalised. `lengths` is the number of points of each event; the points of
# all events are concatenated.
inputs = {one.name: example[one.name] for one in session.get_inputs()}
outputs = session.run(None, inputs)

for target, found in zip(session.get_outputs(), outputs, strict=True):
    expected = example[f"scores_{target.name}"]
    print(f"{target.name}: {len(found)} rows, the first with scores {found[:1]}")
    largest = np.nanmax(abs(found - expected), initial=0)
    print(f"largest difference from the trained model: {largest:.1e}")
