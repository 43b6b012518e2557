"""From what a model gives to scores, for exports that stop at the model's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bunchtrain.deployment.scoring import ScoredNetwork, score_names
from bunchtrain.trained_model import TrainedModel


def scores_of_outputs(
    trained_model: TrainedModel, outputs: NDArray[Any]
) -> dict[str, NDArray[np.float32]]:
    """Return score → (events,), named as by `TrainedModel.predict`, from a model's outputs.

    outputs  (events, outputs), before they are brought to their units.
    """
    network, scored = trained_model.network, ScoredNetwork(trained_model)
    scaled = torch.from_numpy(outputs).float() * network.scale + network.shift
    heads = zip(network.heads, torch.split(scaled, list(network.heads.values()), 1), strict=True)
    found = [value.numpy() for head, x in heads for value in scored.scores_of(head, x).values()]
    return dict(zip(score_names(trained_model), found, strict=True))
