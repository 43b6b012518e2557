"""From several draws of a network to one prediction and its deviation.

The draws are an equal mixture: p(y) = Σ_d p(y | outputs of draw d)/D.
"""

from __future__ import annotations

from torch import Tensor

from bunchtrain.heads._loss import Loss


def mixture_scores(objective: Loss, draws: Tensor) -> dict[str, Tensor]:
    """Return the scores of a mixture and their standard deviations, (batch,) each.

    The deviation of `<name>` over the draws is `<name>_sigma`; where the objective predicts a
    `<name>_sigma` itself, that is the deviation of the whole mixture, and the one of the draws is
    `<name>_sigma_model`.

    Args:
        objective: What gives scores from outputs.
        draws: (draw, batch, outputs); one draw has no deviation.
    """
    if len(draws) == 1:
        return objective.scores(draws[0])
    scores = objective.scores(objective.pool(draws))
    each = objective.scores(draws.flatten(0, 1))
    for name, values in each.items():
        if name.endswith(("_sigma", "_sigma_model")):
            continue
        ending = "_sigma_model" if f"{name}_sigma" in each else "_sigma"
        scores[name + ending] = values.view(len(draws), -1).std(0)
    return scores
