"""What all models share that are fitted at once and not by gradient."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import RunError, StudyError, one_of

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss


def part_name(part: object) -> str:
    """Return the name by which a study names a part: that of its file."""
    return type(part).__module__.rpartition(".")[2]


class Fitted(nn.Module):
    """A model that is fitted at once and not by gradient.

    table    number of features.
    outputs  number of outputs.
    """

    #: Objectives that the library can fit, and what it calls them.
    objectives: ClassVar[Mapping[str, str]] = {}

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__()
        self.features, self.outputs = table, outputs

    @property
    def fitted(self) -> bool:
        """True once the model is fitted or loaded."""
        raise NotImplementedError

    def need_fit(self) -> None:
        """Raise RunError before the fit."""
        if not self.fitted:
            raise RunError(f"model '{part_name(self)}' is not fitted yet; fit it")

    def check(self, objective: Loss) -> None:
        """Raise StudyError, naming those there are, if the model cannot fit this objective."""
        name, model = part_name(objective), part_name(self)
        if name not in self.objectives:
            raise StudyError(
                f"model '{model}' cannot fit objective '{name}'; it fits {one_of(self.objectives)}"
            )
        if getattr(objective, "label_smoothing", 0) > 0:
            raise StudyError(
                f"model '{model}' cannot fit objective '{name}' with 'label_smoothing'; set it to 0"
            )
        if objective.outputs != self.outputs:
            raise StudyError(
                f"model '{model}' fits one target only, and its {self.outputs} outputs are not the "
                f"{objective.outputs} of objective '{name}' on target '{objective.target.name}'; "
                "give each target a member of its own"
            )

    def losses(
        self, objective: Loss, training: Iterable[Batch], validation: Iterable[Batch]
    ) -> dict[str, float]:
        """Return the weighted mean loss of the outputs on both sets, as a row of the history."""
        both = {"training_loss": training, "validation_loss": validation}
        found = {name: self._mean_loss(objective, batches) for name, batches in both.items()}
        return {name: loss for name, loss in found.items() if loss is not None}

    def _mean_loss(self, objective: Loss, batches: Iterable[Batch]) -> float | None:
        total = weights = 0.0
        with torch.inference_mode():
            for batch in batches:
                weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
                outputs: Tensor = self(batch.inputs["table"])
                loss = objective({objective.target.name: outputs}, batch)
                total += float((weight * loss).sum())
                weights += float(weight.sum())
        return total / weights if weights else None


class FittedLinear(Fitted):
    """A linear map W x + b whose numbers are fitted at once; they are NaN before."""

    def __init__(self, table: int, outputs: int) -> None:
        super().__init__(table, outputs)
        self.layer = nn.Linear(table, outputs)
        self.take(torch.full((outputs, table), torch.nan), torch.full((outputs,), torch.nan))

    @property
    def fitted(self) -> bool:
        """True once the numbers are there."""
        return not bool(self.layer.bias.isnan().any())

    @torch.no_grad()
    def take(self, weight: Tensor, bias: Tensor) -> None:
        """Take W (outputs, feature) and b (outputs,)."""
        self.layer.weight.copy_(weight)
        self.layer.bias.copy_(bias)

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature); raises RunError before the fit."""
        if not torch.compiler.is_exporting():
            self.need_fit()
        output: Tensor = self.layer(table.float())
        return output
