"""Conversion of a trained model to a program: normalisation, model, units and scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from bunchtrain.batch import POINTWISE
from bunchtrain.deployment.cpp.program import Program, Unsupported, Value, as_numbers
from bunchtrain.deployment.cpp.tracing import trace
from bunchtrain.deployment.cpp.transformer import particle_transformer
from bunchtrain.deployment.scoring import ScoredNetwork
from bunchtrain.methods.fitted_module import as_network
from bunchtrain.networks.fitted.random_forest import SMALLEST, RandomForest
from bunchtrain.networks.layers.fit_models import LinearFitModel
from bunchtrain.networks.layers.trees import DecisionTrees, TreeModel
from bunchtrain.networks.particle_transformer import ParticleTransformer
from bunchtrain.networks.recurrent_network import RecurrentNetwork
from bunchtrain.trained_model import TrainedModel

#: Tensors that the runtime supports as inputs.
INPUTS = ("table", "image", "globals", "features", "coordinates", "momenta", "lengths")


def convert(trained: TrainedModel, about: Mapping[str, str] | None = None) -> Program:
    """Return the program of a model, trained or not.

    Raises Unsupported, naming what the C++ runtime does not support.
    """
    model = trained.network.model
    if trained.network.has_posterior:
        raise Unsupported("its weights have a posterior, and one set of them is not its prediction")
    if any(trained.calibrations.values()):
        raise Unsupported("the C++ runtime has no calibration of scores; leave 'calibration' out")
    program = Program({"model": trained.task.model[0], **(about or {})})
    needs = [name for name in trained.network.input_names if name != "lengths"]
    values = {name: _input(program, trained, name) for name in needs}
    if isinstance(model, TreeModel):
        output = _trees(program, model.trees, values["table"])
        if isinstance(model, RandomForest) and model.gives_classes:
            logit = model.outputs == 1
            output = program.layer("logarithm", output, smallest=SMALLEST, logit=logit)
    elif isinstance(model, LinearFitModel):
        weight, bias = torch.from_numpy(model.weight), torch.from_numpy(model.bias)
        output = program.dense(values["table"], weight, bias)
    elif isinstance(model, RecurrentNetwork):
        output = _recurrent(program, model, values["features"])
    elif isinstance(model, ParticleTransformer):
        output = particle_transformer(program, model, values["features"], values["momenta"])
    else:
        output = trace(program, as_network(trained.network).model, values)
    network = as_network(trained.network)
    if bool((network.shift != 0).any() or (network.scale != 1).any()):
        output = program.affine(output, network.scale, network.shift)
    _scores(program, ScoredNetwork(trained), output)
    return program


def _input(program: Program, trained: TrainedModel, name: str) -> Value:
    if name not in INPUTS:
        raise Unsupported(f"it needs the tensor '{name}'")
    buffer = as_network(trained.network).normalisation.get_buffer
    parts = {
        "offset": -buffer(f"{name}_shift"),
        "scale": buffer(f"{name}_scale"),
        "nan": buffer(f"{name}_nan"),
        "positive": buffer(f"{name}_positive"),
        "negative": buffer(f"{name}_negative"),
    }
    defaults = {"nan": "nan", "positive": "inf", "negative": "-inf"}
    flat = {part: as_numbers(values) for part, values in parts.items()}
    size = trained.representation.sizes[name]
    names = trained.representation.names.get(name, [])
    count = parts["scale"].numel()
    if len(names) != count:  # the pixels of an image have no names
        names = [f"{name}_{k}" for k in range(count)]
    variables: list[dict[str, Any]] = [{"name": text} for text in names]
    for part, values in flat.items():
        for variable, one in zip(variables, values, strict=True):
            if one != defaults.get(part):
                variable[part] = one
    value = program.input(name, name in POINTWISE, variables)
    if isinstance(size, tuple) and len(size) == 3:
        output = program.layer("reorder", value, shape=list(size), back=False)
        return Value(output.name, False, output.columns, image=(size[0], size[1], size[2]))
    return value


def _trees(program: Program, trees: DecisionTrees, value: Value) -> Value:
    arrays = {name: torch.from_numpy(array) for name, array in trees.arrays().items()}
    count, roots = len(arrays["feature"]), arrays["roots"].tolist()
    branches = arrays["branches"].view(-1, 2)  # (nodes, right and left)
    is_leaf = branches[:, 1] == torch.arange(count)
    converted = []
    for first, end in pairwise([*roots, count]):
        nodes = slice(first, end)
        children = torch.where(is_leaf[nodes, None], -1, branches[nodes] - first)
        converted.append(
            {
                "left": children[:, 1].tolist(),
                "right": children[:, 0].tolist(),
                "feature": arrays["feature"][nodes].tolist(),
                "threshold": as_numbers(arrays["threshold"][nodes]),
                "missing_left": arrays["missing_left"][nodes].int().tolist(),
                "value": [as_numbers(row) for row in arrays["value"][nodes]],
            }
        )
    base = arrays["base"]
    numbers = as_numbers(base)
    return program.layer("forest", value, columns=len(base), trees=converted, base=numbers)


def _recurrent(program: Program, model: RecurrentNetwork, value: Value) -> Value:
    if model.linear is not None:
        raise Unsupported("the C++ runtime has no linear function of a number of points")
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
    return trace(program, _OneInput(model.dense), {"x": value})


def _direction(cells: nn.RNNBase, suffix: str) -> dict[str, Any]:
    def weight(name: str) -> Tensor:
        found: Tensor = getattr(cells, name + suffix)
        return found

    return {
        "inputs": weight("weight_ih").shape[1],
        "hidden": cells.hidden_size,
        "input_weights": as_numbers(weight("weight_ih")),
        "input_bias": as_numbers(weight("bias_ih")),
        "state_weights": as_numbers(weight("weight_hh")),
        "state_bias": as_numbers(weight("bias_hh")),
    }


class _OneInput(nn.Module):
    """Layers as a module with one input `x`."""

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


#: Layer of the runtime → its function, to identify the scores of a loss by their values.
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
        scores = scored.scores_of(target, probe)
        value = output
        if len(heads) > 1:
            value = program.layer("slice", output, columns=size, first=first)
        kind = _kind_of_scores(target, probe, torch.stack(list(scores.values()), 1))
        if kind != "values":
            value = program.layer(kind, value, columns=len(scores))
        content = {"name": target, "tensor": value.name, "scores": list(scores)}
        program.outputs.append(content)
        first += size


def _kind_of_scores(target: str, outputs: Tensor, scores: Tensor) -> str:
    for kind, function in SCORES.items():
        found = function(outputs)
        if found.shape == scores.shape and torch.allclose(found, scores, atol=1e-6):
            return kind
    raise Unsupported(f"the scores of target '{target}' are those of a loss outside of bunchtrain")
