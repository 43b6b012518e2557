"""Dense network (multilayer perceptron) on a table of high-level features.

h_0 = x, h_{l+1} = σ(W_l h_l + b_l), output = W h_L + b. The default widths are the five layers of
300 units with which deep networks were shown to beat shallow ones on the Higgs and SUSY tables
(arXiv:1402.4735); their tanh is `activation="tanh"`.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.networks.layers.dense import Activation, perceptron
from bunchtrain.networks.layers.pruning import Pruning, pruner_of


class DenseNetwork(nn.Module):
    """Dense network on high-level features (arXiv:1402.4735).

    Args:
        table: number of features.
        outputs: number of outputs.
        widths: units of the hidden layers.
        activation: activation function.
        dropout: fraction of the hidden units dropped in training.
        batch_norm: whether there is batch normalisation before each activation.
        pruning: what is taken out while training, and when: `sparsity`, `structure` (weights,
            neurons), `start`, `end`, `rounds` and `rewind`; see `layers/pruning.py`.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        widths: tuple[int, ...] = (300, 300, 300, 300, 300),
        activation: Activation = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        pruning: Pruning | None = None,
    ) -> None:
        super().__init__()
        self.layers = perceptron(table, widths, outputs, activation, dropout, batch_norm)
        self.progress = 1.0
        self.pruner = pruner_of(self.layers, pruning) if pruning else None

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        output: Tensor = self.layers(table)
        return output

    def anneal(self, progress: float) -> None:
        """Prune as far as this fraction of the training asks for."""
        self.progress = progress
        if self.pruner:
            self.pruner.anneal(progress)

    @property
    def settled(self) -> bool:
        """True once nothing more is taken out."""
        return self.pruner is None or self.pruner.is_done(self.progress)
