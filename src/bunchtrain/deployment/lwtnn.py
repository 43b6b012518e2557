"""Reader and writer of the JSON layout of lwtnn (lightweight tagger neural network).

A sequential network: inputs x → (x + offset) · scale, then `dense` layers y = activation(W x + b)
with W row by row, `normalization` y = (x + b) · W, and `lstm` layers of the components i, f, o, c.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from bunchtrain.deployment.cpp.program import Program, Unsupported, Value, as_numbers

#: Activation of a program → lwtnn's.
ACTIVATIONS: dict[str, Any] = {
    "linear": "linear",
    "relu": "rectified",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "softmax": "softmax",
    "elu": {"function": "elu", "alpha": 1.0},
    "silu": {"function": "swish", "alpha": 1.0},
}
#: PyTorch's order of the gates in the rows of an LSTM's weights.
GATES = ("i", "f", "c", "o")

Layer = dict[str, Any]


def write(program: Program) -> dict[str, Any]:
    """Return a program in lwtnn's layout.

    Raises Unsupported, naming the layer, for a layer that the layout does not support.
    """
    if len(program.inputs) != 1 or len(program.outputs) != 1:
        raise Unsupported("lwtnn's sequential layout has one input and one output")
    before, layers = program.inputs[0]["name"], list[Layer]()
    for layer in program.layers:
        if layer["in"] != [before]:
            raise Unsupported(f"lwtnn's layout has no '{layer['type']}' of earlier tensors")
        layers += _write_layer(layer)
        before = layer["out"]
    return {
        "inputs": [_input(variable) for variable in program.inputs[0]["variables"]],
        "layers": layers,
        "outputs": program.outputs[0]["scores"],
        "miscellaneous": {str(k): str(v) for k, v in program.about.items()},
    }


def _input(variable: Mapping[str, Any]) -> Layer:
    if set(variable) & {"nan", "positive", "negative"}:
        raise Unsupported(f"lwtnn's layout cannot replace NaN or infinity in '{variable['name']}'")
    return {"name": variable["name"], "offset": variable["offset"], "scale": 1 / variable["scale"]}


def _write_layer(layer: Layer) -> list[Layer]:
    kind = layer["type"]
    if kind == "dense":
        return [_dense(layer["weights"], layer["bias"], _activation(layer))]
    if kind == "affine":
        if 0 in layer["scale"]:
            raise Unsupported("lwtnn's normalisation cannot hold a scale of 0")
        shift = [t / s for s, t in zip(layer["scale"], layer["shift"], strict=True)]
        affine = {"architecture": "normalization", "weights": layer["scale"], "bias": shift}
        after = [_dense([], [], _activation(layer))] if "activation" in layer else []
        return [affine, *after]
    if kind == "softmax":
        return [_dense([], [], "softmax")]
    if kind == "sigmoid_pair":
        return [_dense([-1.0, 1.0], [0.0, 0.0], "sigmoid")]
    if kind == "recurrent" and layer["cell"] == "lstm" and len(layer["directions"]) == 1:
        return [_lstm(layer["directions"][0])]
    raise Unsupported(f"lwtnn's layout has no layer like '{layer.get('cell', kind)}'")


def _dense(weights: Sequence[float], bias: Sequence[float], activation: Any) -> Layer:
    return {
        "architecture": "dense",
        "activation": activation,
        "weights": list(weights),
        "bias": list(bias),
    }


def _activation(layer: Layer) -> Any:
    name = layer.get("activation", "linear")
    if name == "leaky_relu":
        return {"function": "leakyrelu", "alpha": layer["slope"]}
    if name not in ACTIVATIONS:
        raise Unsupported(f"lwtnn's layout has no activation '{name}'")
    return ACTIVATIONS[name]


def _lstm(direction: Mapping[str, Any]) -> Layer:
    n, columns = direction["hidden"], direction["inputs"]
    components = {}
    for k, gate in enumerate(GATES):
        rows = slice(k * n, (k + 1) * n)
        bias = zip(direction["input_bias"][rows], direction["state_bias"][rows], strict=True)
        components[gate] = {
            "weights": direction["input_weights"][k * n * columns : (k + 1) * n * columns],
            "U": direction["state_weights"][k * n * n : (k + 1) * n * n],
            "bias": [a + b for a, b in bias],
        }
    return {
        "architecture": "lstm",
        "activation": "tanh",
        "inner_activation": "sigmoid",
        "components": components,
    }


def read(content: Mapping[str, Any], name: str = "x") -> Program:
    """Return the program of a file in lwtnn's layout; the C++ runtime reads its `json`.

    `name` is that of the input tensor. Raises Unsupported, naming layer or activation, if the
    runtime does not support it.
    """
    about = {str(k): str(v) for k, v in content.get("miscellaneous", {}).items()}
    program = Program(about)
    layers = list(content["layers"])
    variables = [
        {"name": each["name"], "offset": each["offset"], "scale": 1 / each["scale"]}
        for each in content["inputs"]
    ]
    value = program.input(name, bool(layers) and layers[0]["architecture"] == "lstm", variables)
    for index, layer in enumerate(layers):
        later = layers[index + 1 :]
        last = not later or later[0]["architecture"] != "lstm"
        value = _read_layer(program, value, layer, last)
    scores = list(content["outputs"])
    program.outputs.append({"name": "outputs", "tensor": value.name, "scores": scores})
    return program


def _read_layer(program: Program, value: Value, layer: Layer, last: bool) -> Value:
    kind = layer["architecture"]
    if kind == "lstm":
        return _read_lstm(program, value, layer, last)
    if kind not in ("dense", "normalization"):
        raise Unsupported(f"the C++ runtime has no lwtnn layer '{kind}'")
    weights, bias = torch.tensor(layer["weights"]), torch.tensor(layer["bias"])
    if kind == "normalization":
        return program.affine(value, weights, bias * weights)
    if len(weights):
        value = program.dense(value, weights.view(-1, value.columns), bias if len(bias) else None)
    elif len(bias):
        value = program.affine(value, torch.ones_like(bias), bias)
    return _read_activation(program, value, layer.get("activation", "linear"))


def _read_activation(program: Program, value: Value, entry: Any) -> Value:
    function = entry["function"] if isinstance(entry, dict) else entry
    alpha = entry.get("alpha", 1.0) if isinstance(entry, dict) else 1.0
    if function == "linear":
        return value
    if function == "softmax":
        return program.layer("softmax", value)
    if function == "leakyrelu":
        return program.activation(value, "leaky_relu", alpha, True)
    for name, known in ACTIVATIONS.items():
        if function == (known["function"] if isinstance(known, dict) else known) and alpha == 1:
            return program.activation(value, name, None, True)
    raise Unsupported(f"the C++ runtime has no lwtnn activation '{function}' with alpha {alpha:g}")


def _read_lstm(program: Program, value: Value, layer: Layer, last: bool) -> Value:
    if (layer["activation"], layer.get("inner_activation")) != ("tanh", "sigmoid"):
        raise Unsupported("the C++ runtime has lwtnn's lstm with tanh and sigmoid only")
    gates = [layer["components"][gate] for gate in GATES]
    hidden = len(gates[0]["bias"])
    bias = torch.tensor([x for gate in gates for x in gate["bias"]])
    direction = {
        "inputs": value.columns,
        "hidden": hidden,
        "input_weights": [x for gate in gates for x in gate["weights"]],
        "input_bias": as_numbers(bias),
        "state_weights": [x for gate in gates for x in gate["U"]],
        "state_bias": as_numbers(torch.zeros_like(bias)),
    }
    return program.layer(
        "recurrent",
        value,
        columns=hidden,
        per_point=not last,
        cell="lstm",
        last=last,
        directions=[direction],
    )
