"""The loss of the best constant prediction, which a trained model should undercut."""

from __future__ import annotations

import torch

from bunchtrain.batch import Batch
from bunchtrain.heads._head import Head
from bunchtrain.methods.weighted_sum import event_losses

#: Iterations of the minimisation, in which losses such as the cross-entropy converge.
ITERATIONS = 50


def constant_loss(head: Head, batch: Batch) -> float:
    """Return the smallest weighted mean of a loss with the same outputs for all events.

    It is minimised by L-BFGS from outputs of 0: of standardised values the mean, of classes equal
    probabilities.

    head   the loss.
    batch  events with standardised values, as `Network.standardise` returns them.
    """
    weight = (batch.weight if len(batch.weight) else torch.ones(len(batch))).float()
    weight = weight / weight.sum()
    outputs = torch.zeros(head.outputs, requires_grad=True)
    optimiser = torch.optim.LBFGS([outputs], max_iter=ITERATIONS, line_search_fn="strong_wolfe")
    found: list[float] = []

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        given = {head.target.name: outputs.expand(len(batch.targets[head.target.name]), -1)}
        loss: torch.Tensor = (weight * event_losses(head, given, batch)).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        found.append(float(loss.detach()))
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return min(found)
