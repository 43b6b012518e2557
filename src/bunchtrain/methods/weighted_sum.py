"""Sum of the terms of a loss, events weighted: L = Σ_t λ_t Σ_i w_i ℓ_ti / Σ_i w_i."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.heads._loss import Loss

#: A loss and the factor λ on it.
Term = tuple[Loss, float]
#: Function of the outputs of the network and of a batch, called before the loss is evaluated.
BeforeLoss = Callable[[Mapping[str, Tensor], Batch], None]


@dataclass(frozen=True)
class WeightedSums:
    """Sums over events, which can be added over batches and workers before the division.

    losses  term name, `<target>/<loss>` → Σ_i w_i ℓ_i, a scalar each, without λ.
    total   Σ_t λ_t Σ_i w_i ℓ_ti, a scalar.
    weight  Σ_i w_i, a scalar.
    """

    losses: dict[str, Tensor]
    total: Tensor
    weight: Tensor

    def __add__(self, other: WeightedSums) -> WeightedSums:
        losses = {name: value + other.losses[name] for name, value in self.losses.items()}
        return WeightedSums(losses, self.total + other.total, self.weight + other.weight)

    def mean(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, a scalar, and its terms by name without λ; 0 where Σ w = 0."""
        weight = torch.where(self.weight == 0, torch.ones_like(self.weight), self.weight)
        return self.total / weight, {name: value / weight for name, value in self.losses.items()}


def weighted_sums(
    terms: Sequence[Term], outputs: Mapping[str, Tensor], batch: Batch
) -> WeightedSums:
    """Return Σ w ℓ of every term, their sum with factors, and Σ w, over one batch.

    A term that is one scalar for the batch counts as the loss of each of its events.
    """
    weight = event_weights(batch, next(iter(outputs.values())))
    losses: dict[str, Tensor] = {}
    total = weight.new_zeros(())
    for loss, factor in terms:
        summed = (weight * event_losses(loss, outputs, batch)).sum()
        name = f"{loss.target.name}/{loss.name}"
        losses[name] = losses[name] + summed if name in losses else summed
        total = total + factor * summed
    return WeightedSums(losses, total, weight.sum())


def event_weights(batch: Batch, like: Tensor) -> Tensor:
    """Return the weight of each event, (batch,) float32 on the device of a tensor; 1 if unset."""
    weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
    return weight.to(like.device).float()


def event_losses(loss: Loss, outputs: Mapping[str, Tensor], batch: Batch) -> Tensor:
    """Return a loss of each event, (batch,), the mean over its points or edges; or a scalar."""
    losses: Tensor = loss(dict(outputs), batch)
    axis = batch.axes.get(loss.target.name, "event")
    if axis == "event" or not losses.ndim:
        return losses
    return event_mean(losses, batch.event_index(axis), len(batch))


def event_mean(values: Tensor, event: Tensor, events: int) -> Tensor:
    """Return the mean over the points or edges of each event, (events,); 0 where there are none.

    values  (rows,).
    event   index of the event of each row, (rows,).
    events  number of events.
    """
    sums = values.new_zeros(events).index_add(0, event, values)
    counts = torch.bincount(event, minlength=events).clamp(min=1)
    return sums / counts


def average_members(members: Sequence[WeightedSums]) -> WeightedSums:
    """Return the mean over an ensemble's members, with the sum of member k as `member_k`."""
    if len(members) == 1:
        return members[0]
    losses = {
        name: torch.stack([m.losses[name] for m in members]).mean(0) for name in members[0].losses
    }
    totals = torch.stack([member.total for member in members])
    losses |= {f"member_{k}": total for k, total in enumerate(totals)}
    return WeightedSums(losses, totals.sum() / len(members), members[0].weight)
