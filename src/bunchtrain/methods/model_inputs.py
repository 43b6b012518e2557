"""Names of the tensors that a model takes, compared with those of a representation."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.methods.protocols import NamesInputs


def input_names(model: Any) -> tuple[str, ...]:
    """Return the names of the tensors that the `forward` of a model, or of its class, takes."""
    if isinstance(model, NamesInputs):
        return model.input_names
    arguments = inspect.signature(model.forward).parameters
    return tuple(name for name in arguments if name != "self")


def check_inputs(
    model: type[Any], name: str, tensors: Mapping[str, object], representation: str
) -> None:
    """Raise StudyError if a model needs a tensor that is not among those of the representation."""
    lacking = [tensor for tensor in input_names(model) if tensor not in tensors]
    if lacking:
        raise StudyError(
            f"model '{name}' needs {', '.join(map(repr, lacking))}, which representation "
            f"'{representation}' does not provide (only {', '.join(tensors)}); choose another "
            "representation"
        )


def without_points(model: object, target: str) -> StudyError:
    """Return the error of a model without the outputs for points that a target needs."""
    return StudyError(
        f"targets.{target}: model '{type(model).__name__}' has no output for each point; choose "
        "particle_net, particle_transformer, particle_flow_network, interaction_network, gar_net, "
        "grav_net, grid_cnn, recurrent_network, denoising_autoencoder or graph_network"
    )
