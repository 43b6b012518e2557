"""Monte-Carlo dropout: dropout also in prediction, as draws of the weights.

A mask on the units is a draw of the weights from q(w) = Bernoulli (arXiv:1506.02142); here one
mask per draw for all events, so that a prediction does not depend on the other events.
"""

from __future__ import annotations

from torch import nn

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Draws
from bunchtrain.uncertainty.posterior import MakeModel
from bunchtrain.uncertainty.posteriors._random_layers import (
    RandomDropout,
    RandomLayersPosterior,
    replace_layers,
)


class McDropout(RandomLayersPosterior):
    """Dropout also in prediction, for models with dropout (arXiv:1506.02142).

    draws  count of masks of a prediction.
    """

    def __init__(self, make: MakeModel, seed: int, *, draws: Draws = 50) -> None:
        super().__init__(make, seed, draws, "mc_dropout")
        if not replace_layers(self.model, nn.Dropout, RandomDropout):
            raise StudyError(
                f"posterior 'mc_dropout' needs dropout layers, and {type(self.model).__name__} has "
                "none as it is configured; set its option 'dropout', for example to 0.1"
            )
