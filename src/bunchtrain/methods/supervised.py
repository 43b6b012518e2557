"""The trained_model: what is trained, saved, exported and deployed, preprocessing included."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

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


#: Outputs of a mixture, (batch, outputs), from those of its parts, (part, batch, outputs).
Pool = Callable[[Tensor], Tensor]


def _mean(parts: Tensor) -> Tensor:
    return parts.mean(0)


class Network(nn.Module):
    """Normalisation, model and heads as one module.

    normalisation  maps input tensors to input tensors, fitted on the training set.
    model          takes the tensors that its `forward` names and gives (batch, sum of heads); an
                   ensemble gives (member, batch, sum of heads).
    heads          target name → number of outputs, in the order of the columns.
    pools          target name → outputs of a mixture, (batch, outputs), from those of its parts,
                   (part, batch, outputs); their mean where not given.

    Outputs are model(inputs) · scale + shift, which bring regressed values to their units.
    """

    shift: Tensor  # (sum of heads,)
    scale: Tensor

    def __init__(
        self,
        normalisation: nn.Module,
        model: nn.Module,
        heads: dict[str, int],
        pools: Mapping[str, Pool] | None = None,
    ) -> None:
        super().__init__()
        self.normalisation = normalisation
        self.model = model
        self.heads = dict(heads)
        self.pools = dict(pools or {})
        self.needs: tuple[str, ...] = getattr(model, "needs", None) or needs(model)
        self.register_buffer("shift", torch.zeros(sum(heads.values())))
        self.register_buffer("scale", torch.ones(sum(heads.values())))

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (batch, outputs), of an ensemble those of the mixture."""
        return {
            head: values if values.ndim == 2 else self.pools.get(head, _mean)(values)
            for head, values in self._heads(self.model(**self.prepared(inputs))).items()
        }

    def members(self, inputs: dict[str, Tensor]) -> list[dict[str, Tensor]]:
        """Return head → (batch, outputs) of each member of an ensemble, or of the one network."""
        heads = self._heads(self.model(**self.prepared(inputs)))
        if next(iter(heads.values())).ndim == 2:
            return [heads]
        parts = zip(*(values.unbind() for values in heads.values()), strict=True)
        return [dict(zip(heads, one, strict=True)) for one in parts]

    def draws(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return head → (draw, batch, outputs) of a model with a posterior, else of one draw."""
        prepared, model = self.prepared(inputs), self.model
        if not self.is_drawn:
            return {head: values[None] for head, values in self._heads(model(**prepared)).items()}
        return self._heads(model.draws(**prepared))  # type: ignore[operator]

    @property
    def trained_together(self) -> int:
        """The number of networks that are trained at once, 1 for all but an ensemble."""
        return int(getattr(self.model, "trained_together", 1))

    def prepared(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the normalised tensors that the model needs."""
        found: dict[str, Tensor] = self.normalisation({name: inputs[name] for name in self.needs})
        return found

    def _heads(self, output: Tensor) -> dict[str, Tensor]:
        scaled = output * self.scale + self.shift
        sizes = list(self.heads.values())
        return dict(zip(self.heads, torch.split(scaled, sizes, -1), strict=True))

    @property
    def is_drawn(self) -> bool:
        """True for a model whose weights have a posterior, from which a prediction draws."""
        return hasattr(self.model, "draws")

    @property
    def is_fitted(self) -> bool:
        """True for trees, which are fitted at once and not by gradient."""
        return hasattr(self.model, "fit")
