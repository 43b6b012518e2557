"""Capabilities: which export target supports which model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bunchtrain import parts
from bunchtrain.deployment.export import make_target
from bunchtrain.errors import BunchtrainError, MissingDependency
from bunchtrain.methods.build import build_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.model_inputs import input_names
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.targets import Assignment, Target
from bunchtrain.trained_files import trained_model
from bunchtrain.trained_model import TrainedModel

#: Name and type of options → values of a small network, since capabilities do not depend on size.
SMALL: dict[tuple[str, str], Any] = {
    ("blocks", "int"): 1,
    ("class_blocks", "int"): 1,
    ("trees", "int"): 3,
    ("stages", "tuple[tuple[int, ...], ...]"): ((8,), (8,)),
    ("channels", "tuple[tuple[int, ...], ...]"): ((8,), (8,)),
    ("filters", "tuple[tuple[int, ...], ...]"): ((4, 4), (4,)),
    ("units", "tuple[int, ...]"): (1, 1),
    ("widths", "tuple[int, ...]"): (8, 8),
    **{(name, "tuple[int, ...]"): (4,) for name in ("aggregators", "propagate", "filters")},
    **{(name, "tuple[int, ...]"): (8,) for name in ("phi", "f", "embed", "pair_embed")},
    **{(name, "tuple[int, ...]"): (8,) for name in ("relation", "objects", "classifier")},
}
#: Representations with their required options, in the order in which they are tried.
REPRESENTATIONS: dict[str, dict[str, Any]] = {
    "table": {"features": ["mass", "width", "count"]},
    "image": {"group": "part"},
    "volume": {"cells": ["cells"], "shape": (4, 4, 4)},
    "window": {"features": ["samples"], "length": 32},
    "point_cloud": {"group": "part"},
    "graph": {"group": "part", "edge_features": ["first_pt - second_pt"]},
    "clustering_tree": {"group": "part"},
}


@dataclass(frozen=True)
class Capability:
    """Whether a target supports a model; `reason` is why not, '' if it does."""

    model: str
    target: str
    reason: str


def capabilities(
    models: Collection[str] = (), targets: Collection[str] = ()
) -> Iterator[Capability]:
    """Yield the capability of each target for each model.

    All models and all targets if unset. Each target checks a small network of the model with
    random weights.
    """
    for model in models or sorted(parts.locate("model")):
        for target in targets or sorted(parts.locate("export")):
            yield Capability(model, target, _reason(model, target))


def _reason(model: str, target: str) -> str:
    try:
        return make_target(target).unsupported_reason(build_untrained(model)) or ""
    except MissingDependency as problem:
        return f"unknown: {problem}"
    except BunchtrainError as problem:
        return str(problem)


def build_untrained(model: str) -> TrainedModel:
    """Return a small network of a model with random weights, for two classes or for one value.

    Raises StudyError if no representation has the tensors that it needs.
    """
    kind = parts.find("model", model)
    known = {(option.name, option.type) for option in parts.options(kind).values()}
    options = {name: value for (name, type_), value in SMALL.items() if (name, type_) in known}
    representation = _matching_representation(input_names(kind))
    losses = list(getattr(kind, "supported_losses", ())) or ["cross_entropy"]
    separates = "cross_entropy" in losses
    if "assignment_cross_entropy" in losses:
        target = Target("jet", assignment=Assignment("part", (("t", ("b", "q")),)))
    else:
        target = Target("jet", ("qcd", "top")) if separates else Target("jet", values=("mass",))
    task = Task(
        cache="",
        folder="",
        representation=representation,
        model=(model, options),
        terms=[("cross_entropy" if separates else losses[0], {}, "jet", 1.0)],
        targets={"jet": target},
        settings={"batch_size": 64, "engine": {"name": "local"}},
    )
    built: Representation = parts.build("representation", *representation)
    network: Any = build_network(task, built)
    if not isinstance(network, FittedNetwork):
        network.eval()
    return trained_model(task, built, network)


def _matching_representation(tensors: Collection[str]) -> tuple[str, dict[str, Any]]:
    for name, options in REPRESENTATIONS.items():
        built: Representation = parts.build("representation", name, options)
        if set(tensors) <= set(built.sizes):
            return name, options
    return "point_cloud", REPRESENTATIONS["point_cloud"]
