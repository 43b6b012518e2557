"""Monte-Carlo dropout: dropout goes on in prediction, as draws of the weights.

A mask on the units is a draw of the weights from q(w) = Bernoulli (arXiv:1506.02142); here one
mask a draw for all events, so that a prediction does not depend on the events beside it.
"""

from __future__ import annotations

from torch import nn

from bunchtrain.errors import StudyError
from bunchtrain.uncertainty.layers.drawn import replace
from bunchtrain.uncertainty.layers.drawn_dropout import DrawnDropout
from bunchtrain.uncertainty.posterior import Make
from bunchtrain.uncertainty.posteriors._layerwise import Layerwise


class McDropout(Layerwise):
    """Dropout that goes on in prediction, for models with dropout (arXiv:1506.02142).

    draws  number of masks that a prediction is made of.
    """

    def __init__(self, make: Make, seed: int, *, draws: int = 50) -> None:
        super().__init__(make, seed, draws, "mc_dropout")
        if not replace(self.model, nn.Dropout, DrawnDropout):
            raise StudyError(
                f"posterior 'mc_dropout' needs layers of dropout, and {type(self.model).__name__} "
                "has none as it is; set its option 'dropout', as to 0.1"
            )
