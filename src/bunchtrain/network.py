"""The artefact: what is trained, saved, exported and deployed, preprocessing included."""

from __future__ import annotations

import inspect
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bunchtrain.errors import StudyError


def needs(model: type[nn.Module] | nn.Module) -> tuple[str, ...]:
    """Return the names of the tensors that a model's `forward` takes."""
    arguments = inspect.signature(model.forward).parameters
    return tuple(name for name in arguments if name != "self")


def check_fit(model: type[nn.Module], name: str, gives: Mapping[str, object], by: str) -> None:
    """Raise StudyError if a model needs a tensor that the representation `by` does not give."""
    lacking = [tensor for tensor in needs(model) if tensor not in gives]
    if lacking:
        raise StudyError(
            f"model '{name}' needs {', '.join(map(repr, lacking))}, which representation '{by}' "
            f"does not give (it gives {', '.join(gives)}); choose another representation"
        )


class Network(nn.Module):
    """Normalisation, model and heads as one module.

    normalisation  maps input tensors to input tensors, fitted on the training set.
    model          takes the tensors that its `forward` names and gives (batch, sum of heads).
    heads          target name → number of outputs, in the order of the columns.

    Outputs are model(inputs) · scale + shift, which bring regressed values to their units.
    """

    shift: Tensor  # (sum of heads,)
    scale: Tensor

    def __init__(self, normalisation: nn.Module, model: nn.Module, heads: dict[str, int]) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.model = model
        self.heads = dict(heads)
        self.needs = needs(model)
        self.register_buffer("shift", torch.zeros(sum(heads.values())))
        self.register_buffer("scale", torch.ones(sum(heads.values())))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (batch, outputs)."""
        prepared = self.normalisation({name: inputs[name] for name in self.needs})
        output = self.model(**prepared) * self.scale + self.shift
        return dict(zip(self.heads, torch.split(output, list(self.heads.values()), 1), strict=True))

    @property
    def is_fitted(self) -> bool:
        """True for trees, which are fitted at once and not by gradient."""
        return hasattr(self.model, "fit")
