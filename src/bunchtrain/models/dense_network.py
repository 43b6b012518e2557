"""Dense network (multilayer perceptron) on a table of high-level features.

h_0 = x, h_{l+1} = σ(W_l h_l + b_l), output = W h_L + b. The default widths are the five layers of
300 units with which deep networks were shown to beat shallow ones on the Higgs and SUSY tables
(arXiv:1402.4735); their tanh is `activation="tanh"`.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.models.layers.dense import Activation, perceptron


class DenseNetwork(nn.Module):
    """Dense network on high-level features (arXiv:1402.4735).

    table    number of features.
    outputs  number of outputs.
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
    ) -> None:
        super().__init__()
        self.layers = perceptron(table, widths, outputs, activation, dropout, batch_norm)

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        output: Tensor = self.layers(table)
        return output
