"""Which model goes to which target: found out by asking each target for each model."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bunchtrain import parts
from bunchtrain.deployment.exporting import make_target
from bunchtrain.errors import BunchtrainError, MissingDependency
from bunchtrain.methods.build import empty_network
from bunchtrain.methods.supervised import needs
from bunchtrain.methods.task import Task
from bunchtrain.representations._representation import Representation
from bunchtrain.trained_model import TrainedModel

#: Name and type of options → values that make a network small, since size decides nothing here.
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
#: Representations in the order in which one is looked for that fits, with options they require.
REPRESENTATIONS: dict[str, dict[str, Any]] = {
    "table": {"features": ["mass", "width", "count"]},
    "image": {"group": "part"},
    "cloud": {"group": "part"},
    "graph": {"group": "part"},
    "clustering_tree": {"group": "part"},
}


@dataclass(frozen=True)
class Capability:
    """Whether a model can be exported to a target; `reason` says why not, '' if it can."""

    model: str
    target: str
    reason: str

    @property
    def can(self) -> bool:
        """True if it can."""
        return not self.reason


def capabilities(
    models: Collection[str] = (), targets: Collection[str] = ()
) -> Iterator[Capability]:
    """Yield for each model, then each target, whether the one goes to the other.

    All models and all targets if unset. Every answer is the target's own, to a network with
    fresh weights of the model's default options.
    """
    for model in models or sorted(parts.locate("model")):
        for target in targets or sorted(parts.locate("export")):
            yield Capability(model, target, _reason(model, target))


def _reason(model: str, target: str) -> str:
    try:
        return make_target(target).refusal(untrained(model)) or ""
    except MissingDependency as problem:
        return f"not known: {problem}"
    except BunchtrainError as problem:
        return str(problem)


def untrained(model: str) -> TrainedModel:
    """Return a small network of a model that tells two classes apart, with fresh weights.

    Raises StudyError if no representation gives what it needs.
    """
    kind = parts.find("model", model)
    known = {(option.name, option.type) for option in parts.options(kind).values()}
    options = {name: value for (name, type_), value in SMALL.items() if (name, type_) in known}
    represent = _fitting(needs(kind))
    task = Task(
        cache="",
        folder="",
        representation=represent,
        model=(model, options),
        terms=[("cross_entropy", {}, "jet", 1.0)],
        targets={"jet": {"classes": ["qcd", "top"]}},
        settings={"batch_size": 64, "engine": {"name": "local"}},
    )
    made: Representation = parts.build("representation", *represent)
    return TrainedModel(task, made, empty_network(task, made).eval())


def _fitting(wanted: Collection[str]) -> tuple[str, dict[str, Any]]:
    for name, options in REPRESENTATIONS.items():
        made: Representation = parts.build("representation", name, options)
        if set(wanted) <= set(made.sizes):
            return name, options
    return "cloud", REPRESENTATIONS["cloud"]
