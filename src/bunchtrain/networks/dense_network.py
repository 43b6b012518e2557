"""Dense network (multilayer perceptron) on a table of high-level features.

h_0 = x, h_{l+1} = σ(W_l h_l + b_l), output = W h_L + b. The default widths are five layers of 300
units, as in the deep networks that outperform shallow ones on the Higgs and SUSY data sets
(arXiv:1402.4735); their activation is `tanh`.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.networks.layers.dense import Activation, perceptron
from bunchtrain.networks.layers.pruning import Pruning, make_pruner
from bunchtrain.parts.ranges import Dropout, HiddenWidths


class DenseNetwork(nn.Module):
    """Dense network on high-level features (arXiv:1402.4735).

    table       number of features.
    outputs     number of outputs.
    widths      units of the hidden layers.
    activation  activation function.
    dropout     fraction of the hidden units dropped in training.
    batch_norm  batch normalisation before each activation.
    pruning     pruning during the training: `sparsity`, `structure` (weights, neurons), `start`,
                `end`, `rounds` and `rewind`; see `layers/pruning.py`.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        widths: HiddenWidths = (300, 300, 300, 300, 300),
        activation: Activation = "relu",
        dropout: Dropout = 0.0,
        batch_norm: bool = False,
        pruning: Pruning | None = None,
    ) -> None:
        super().__init__()
        self.layers = perceptron(table, widths, outputs, activation, dropout, batch_norm)
        self.progress = 1.0
        self.pruner = make_pruner(self.layers, pruning) if pruning else None

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        output: Tensor = self.layers(table)
        return output

    def anneal(self, progress: float) -> None:
        """Prune to the sparsity at this fraction of the training."""
        self.progress = progress
        if self.pruner:
            self.pruner.anneal(progress)

    @property
    def is_comparable_across_epochs(self) -> bool:
        """True once the final sparsity is reached."""
        return self.pruner is None or self.pruner.is_done(self.progress)
