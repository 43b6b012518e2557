"""The model of a task, with initial weights, and the checks of what it is combined with."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.methods.model_inputs import check_inputs
from bunchtrain.methods.protocols import ChecksTerms
from bunchtrain.methods.task import Task, is_on_arrays
from bunchtrain.networks.layers.fit_models import FitModel
from bunchtrain.representations._representation import Representation
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import Kind

if TYPE_CHECKING:
    from torch import nn

    from bunchtrain.methods.unsupervised._method import Method

#: Losses that are −log likelihoods, except for a constant factor.
LIKELIHOODS = (
    *("cross_entropy", "binary_cross_entropy"),
    *("gaussian_nll", "multivariate_gaussian_nll", "mean_squared_error"),
)
#: Those of values, and with a width of their own.
WITH_WIDTH = ("gaussian_nll", "multivariate_gaussian_nll", "evidential")


def build_method(task: Task, representation: Representation) -> Method:
    """Return the method for the tensors of this representation, with initial weights.

    Raises StudyError if it cannot learn one of them.
    """
    name, options = task.model
    from bunchtrain.methods.weight_limit import WeightLimit

    with WeightLimit(name):
        made: Method = parts.build("method", name, options, representation.sizes)
    return made


def build_model(task: Task, representation: Representation, spare: int = 0) -> nn.Module | FitModel:
    """Return the model for the tensors of this representation, with initial weights.

    spare  number of outputs of events in addition to those of the heads.

    Raises StudyError if the model needs a tensor that the representation does not give.
    """
    name, options = task.model
    kind, heads = parts.find("model", name), list(task.heads().values())
    sizes = _sizes(task, representation, heads, spare)

    def make() -> Any:
        with _weight_limit(name, kind):
            model = parts.build("model", name, options, *sizes)
        for head in heads:
            head.check_model(model)
            _check_predictions(head, model)
        if isinstance(model, ChecksTerms):
            model.check_terms([loss for loss, _ in task.sorted_losses()])
        return model

    _check_calibration(task, heads)
    if task.posterior is None:
        model: FitModel = make()
        return model
    _check_posterior(task, task.posterior[0])
    posterior: nn.Module = parts.build("posterior", *task.posterior, make, task.seed)
    return posterior


def _sizes(task: Task, representation: Representation, heads: list[Head], spare: int) -> list[Any]:
    """Return the positional arguments of a model: sizes of tensors, outputs, an assignment.

    Raises StudyError if the representation does not give one of them.
    """
    name, kind = task.model[0], parts.find("model", task.model[0])
    tensors = dict(representation.sizes)
    if representation.embedding:
        tensors["features"] = representation.embedding[1]
    check_inputs(kind, name, tensors, task.representation[0])
    of_events = [head.outputs for head in heads if head.target.output_axis == "event"]
    # A model needs an output; without a target of events that part of it is removed.
    known: dict[str, Any] = {**tensors, "outputs": (sum(of_events) or 1) + spare}
    needed = parts.positional(kind)
    if "assignment" in needed:
        assignments = [head.target.assignment for head in heads]
        if len(assignments) > 1 or assignments[0] is None:
            raise StudyError(
                f"model '{name}' needs one target with an assignment alone; give 'assign'"
            )
        known["assignment"] = assignments[0]
    if unknown := [size for size in needed if size not in known]:
        raise StudyError(
            f"model '{name}': the constructor's argument '{unknown[0]}' is neither 'outputs' "
            f"nor a tensor of representation '{task.representation[0]}' ({', '.join(tensors)})"
        )
    return [known[size] for size in needed]


def _check_calibration(task: Task, heads: list[Head]) -> None:
    """Raise StudyError for a calibration of an assignment, or of what is no probability."""
    for head in heads:
        if task.calibration and head.target.assignment:
            raise StudyError(
                f"calibration '{task.calibration[0][0]}' is for classes and values, and target "
                f"'{head.target.name}' has an assignment; remove it"
            )
        names = [name for name, _ in task.calibration]
        if "temperature" in names and head.target.classes and not head.gives_probabilities:
            raise StudyError(
                f"calibration 'temperature' needs probabilities, and the scores of loss "
                f"'{head.name}' are none; use 'conformal', or loss 'cross_entropy'"
            )


def _check_posterior(task: Task, posterior: str) -> None:
    """Raise StudyError for settings and losses that the posterior does not support."""
    names = [name for name, *_ in task.terms]
    is_likelihood = len(names) == 1 and names[0] in LIKELIHOODS
    if posterior == "last_layer_laplace" and not is_likelihood:
        raise StudyError(
            f"posterior 'last_layer_laplace' needs a loss that is the logarithm of a "
            f"likelihood, one of {', '.join(LIKELIHOODS)} alone; the study gives "
            f"{', '.join(names)}"
        )
    if posterior == "bayes_by_backprop" and not is_likelihood:
        for name, _, target, _ in task.terms:
            alone = len(names) == 1 and name == "mean_absolute_error"
            if task.targets[target].values and name not in WITH_WIDTH and not alone:
                raise StudyError(
                    f"posterior 'bayes_by_backprop' needs a loss of values that is the "
                    f"logarithm of a likelihood, and '{name}' here is none; use 'gaussian_nll'"
                )
    if "normalizing_flow" in names:
        raise StudyError(
            f"posterior '{posterior}' cannot mix the densities of loss 'normalizing_flow'; "
            "remove it, or use 'gaussian_nll'"
        )
    joint = {"gradient_clip": task.settings.get("gradient_clip") is not None}
    joint["schedule: plateau"] = task.settings["schedule"] == "plateau"
    joint["layer_decay"] = task.settings.get("layer_decay") is not None
    for setting, is_set in joint.items():
        if posterior == "deep_ensemble" and is_set:
            raise StudyError(
                f"posterior 'deep_ensemble' trains its members independently, and 'training."
                f"{setting}' acts on all of them together; leave it out"
            )


def _weight_limit(name: str, kind: type[Any]) -> AbstractContextManager[object]:
    """Return a context in which a model of too many weights raises StudyError."""
    if is_on_arrays(kind):
        return nullcontext()
    from bunchtrain.methods.weight_limit import WeightLimit

    return WeightLimit(name)


def _check_predictions(head: Head, model: object) -> None:
    """Raise StudyError if a head predicts no value, but only quantiles of it."""
    outputs: Any = np.zeros((1, head.outputs), np.float32)
    if not is_on_arrays(model):
        import torch

        outputs = torch.from_numpy(outputs)
    predicted = head.predictions(outputs)
    for label in head.predicted_labels:
        kinds: tuple[Kind, ...] = ("prediction", "index")
        if not any(Quantity(label, kind) in predicted for kind in kinds):
            raise StudyError(
                f"loss '{head.name}' does not predict '{label}' itself; add the median, 0.5, to "
                "its option 'levels'"
            )
