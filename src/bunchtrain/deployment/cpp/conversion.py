"""From the trained_model to a program: normalisation, model, units and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.batch import POINTWISE
from bunchtrain.deployment.cpp.program import Program, Unsupported, Value, numbers
from bunchtrain.deployment.cpp.tracing import trace
from bunchtrain.deployment.scoring import ScoredNetwork
from bunchtrain.networks.fitted.random_forest import SMALLEST, RandomForest
from bunchtrain.networks.layers.decision_trees import DecisionTrees
from bunchtrain.networks.layers.fitted import FittedLinear
from bunchtrain.networks.layers.trees import Trees
from bunchtrain.networks.recurrent_network import RecurrentNetwork
from bunchtrain.trained_model import TrainedModel

#: Tensors that the runtime can be given.
KNOWN = ("table", "image", "globals", "features", "coordinates", "momenta", "lengths")


def convert(trained_model: TrainedModel, about: Mapping[str, str] | None = None) -> Program:
    """Return the program of an trained_model, trained or not.

    Raises Unsupported, naming what the C++ runtime does not have.
    """
    model = trained_model.network.model
    if hasattr(model, "draws"):
        raise Unsupported("its weights have a posterior, and one set of them is not its prediction")
    if any(trained_model.calibrations.values()):
        raise Unsupported("the C++ runtime has no calibration of scores; leave 'calibrate' out")
    program = Program({"model": trained_model.task.model[0], **(about or {})})
    needs = [name for name in trained_model.network.needs if name != "lengths"]
    values = {name: _input(program, trained_model, name) for name in needs}
    if isinstance(model, Trees):
        output = _trees(program, model.trees, values["table"])
        if isinstance(model, RandomForest) and model.gives_classes:
            logit = model.outputs == 1
            output = program.layer("logarithm", output, smallest=SMALLEST, logit=logit)
    elif isinstance(model, FittedLinear):
        output = program.dense(values["table"], model.layer.weight, model.layer.bias)
    elif isinstance(model, RecurrentNetwork):
        output = _recurrent(program, model, values["features"])
    else:
        output = trace(program, model, values)
    network = trained_model.network
    if bool((network.shift != 0).any() or (network.scale != 1).any()):
        output = program.affine(output, network.scale, network.shift)
    _scores(program, ScoredNetwork(trained_model), output)
    return program


def _input(program: Program, trained_model: TrainedModel, name: str) -> Value:
    if name not in KNOWN:
        raise Unsupported(f"it needs the tensor '{name}'")
    buffer = trained_model.network.normalisation.get_buffer
    parts = {
        "offset": -buffer(f"{name}_shift"),
        "scale": buffer(f"{name}_scale"),
        "nan": buffer(f"{name}_nan"),
        "positive": buffer(f"{name}_positive"),
        "negative": buffer(f"{name}_negative"),
    }
    defaults = {"nan": "nan", "positive": "inf", "negative": "-inf"}
    flat = {part: numbers(values) for part, values in parts.items()}
    size = trained_model.representation.sizes[name]
    names = trained_model.representation.names.get(name, [])
    count = parts["scale"].numel()
    if len(names) != count:  # the pixels of an image have no names of their own
        names = [f"{name}_{k}" for k in range(count)]
    variables: list[dict[str, Any]] = [{"name": text} for text in names]
    for part, values in flat.items():
        for variable, one in zip(variables, values, strict=True):
            if one != defaults.get(part):
                variable[part] = one
    value = program.input(name, name in POINTWISE, variables)
    if isinstance(size, tuple) and len(size) == 3:
        made = program.layer("reorder", value, shape=list(size), back=False)
        return Value(made.name, False, made.columns, image=(size[0], size[1], size[2]))
    return value


def _trees(program: Program, trees: DecisionTrees, value: Value) -> Value:
    held = trees.arrays()
    count, roots = len(held["feature"]), held["roots"].tolist()
    branches = held["branches"].view(-1, 2)  # (nodes, right and left)
    own = torch.arange(count)
    leaf = branches[:, 1] == own
    planted = []
    for first, end in pairwise([*roots, count]):
        part = slice(first, end)
        children = torch.where(leaf[part, None], -1, branches[part] - first)
        planted.append(
            {
                "left": children[:, 1].tolist(),
                "right": children[:, 0].tolist(),
                "feature": held["feature"][part].tolist(),
                "threshold": numbers(held["threshold"][part]),
                "missing_left": held["missing_left"][part].int().tolist(),
                "value": [numbers(row) for row in held["value"][part]],
            }
        )
    base = held["base"]
    return program.layer("forest", value, columns=len(base), trees=planted, base=numbers(base))


def _recurrent(program: Program, model: RecurrentNetwork, value: Value) -> Value:
    cells = model.cells
    kind = "lstm" if isinstance(cells, nn.LSTM) else "gru"
    suffixes = ["", "_reverse"] if cells.bidirectional else [""]
    for layer in range(cells.num_layers):
        last = layer == cells.num_layers - 1
        directions = [_direction(cells, f"_l{layer}{suffix}") for suffix in suffixes]
        value = program.layer(
            "recurrent",
            value,
            columns=len(suffixes) * cells.hidden_size,
            per_point=not last,
            cell=kind,
            last=last,
            directions=directions,
        )
    return trace(program, _Only(model.dense), {"x": value})


def _direction(cells: nn.RNNBase, suffix: str) -> dict[str, Any]:
    def of(name: str) -> Tensor:
        found: Tensor = getattr(cells, name + suffix)
        return found

    return {
        "inputs": of("weight_ih").shape[1],
        "hidden": cells.hidden_size,
        "input_weights": numbers(of("weight_ih")),
        "input_bias": numbers(of("bias_ih")),
        "state_weights": numbers(of("weight_hh")),
        "state_bias": numbers(of("bias_hh")),
    }


class _Only(nn.Module):
    """Layers as a module whose input has a name."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


def _pair(outputs: Tensor) -> Tensor:
    return torch.cat([-outputs, outputs], 1).sigmoid() if outputs.shape[1] == 1 else outputs[:0]


def _gaussian(outputs: Tensor) -> Tensor:
    mean, log_variance = outputs.tensor_split(2, 1)
    return torch.cat([mean, (0.5 * log_variance.clamp(-30, 30)).exp()], 1)


#: Layer of the runtime → what it computes, to tell an objective's scores from their values.
SCORES: dict[str, Callable[[Tensor], Tensor]] = {
    "values": lambda outputs: outputs,
    "softmax": lambda outputs: outputs.softmax(1),
    "sigmoid_pair": _pair,
    "gaussian": _gaussian,
}


def _scores(program: Program, scored: ScoredNetwork, output: Value) -> None:
    first, heads = 0, scored.network.heads
    random = torch.Generator().manual_seed(1)
    for target, size in heads.items():
        probe = 3 * torch.randn(16, size, generator=random)
        wanted = scored.scores_of(target, probe)
        value = output
        if len(heads) > 1:
            value = program.layer("slice", output, columns=size, first=first)
        kind = _kind_of_scores(target, probe, torch.stack(list(wanted.values()), 1))
        if kind != "values":
            value = program.layer(kind, value, columns=len(wanted))
        content = {"name": target, "tensor": value.name, "scores": list(wanted)}
        program.outputs.append(content)
        first += size


def _kind_of_scores(target: str, outputs: Tensor, wanted: Tensor) -> str:
    for kind, function in SCORES.items():
        found = function(outputs)
        if found.shape == wanted.shape and torch.allclose(found, wanted, atol=1e-6):
            return kind
    raise Unsupported(f"the scores of target '{target}' are made by an objective of its own")
