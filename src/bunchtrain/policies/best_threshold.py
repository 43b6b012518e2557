"""The limit of all policies that set thresholds: the best ones, which no policy can know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bunchtrain.policies._thresholds import ThresholdPolicy


class BestThreshold(ThresholdPolicy):
    """Thresholds at which the expected rate of the coming block is the budget: a limit, no policy.

    They are `info["best_threshold"]`, computed from the luminosity of the block and all events.
    """

    name = "best_threshold"

    def __init__(self) -> None:
        super().__init__()

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return the best thresholds of the next block."""
        return self.as_action(np.asarray(info["best_threshold"], np.float64))
