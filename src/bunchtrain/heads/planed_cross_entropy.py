"""Cross-entropy with planing: every class weighted to a flat spectrum in a column.

L = Σ_c Σ_{i in c} w_i v_i ℓ_i with v_i ∝ 1/n_cb for events of class c in bin b, so that the filled
bins of a class count alike and a class as much as without. What differs between the classes in that
column alone then teaches nothing (arXiv:1709.10106, arXiv:1511.05190). The spectra are those of the
global batch, which should be large.

With v_i ∝ n_cb^−a and a < 1 the network learns the likelihood ratio at a given value of the column,
times (n_sb/n_bb)^(1 − a) of signal s and background b: as much of the column as 1 − a lets through.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import Bins, bin_numbers, check_bins, count, sums
from bunchtrain.heads._gather import everywhere
from bunchtrain.heads._loss import TargetShape
from bunchtrain.heads._spectators import spectator
from bunchtrain.heads._targets import class_numbers
from bunchtrain.heads.cross_entropy import CrossEntropy


class PlanedCrossEntropy(CrossEntropy):
    """Cross-entropy with every class flat in a column, planing (arXiv:1709.10106).

    against  column that is made flat.
    bins     of the column: a number of equally populated ones, or their edges.
    power    the a above: 1 makes the spectra flat, less makes them flatter, 0 leaves them.
    limit    largest factor v on an event, for bins that are nearly empty.
    class_weights  class name → factor on the losses of its events, 1 where not given.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        against: str,
        bins: Bins = 16,
        power: float = 1.0,
        limit: float = 20.0,
        class_weights: dict[str, float] | None = None,
    ) -> None:
        super().__init__(target, class_weights=class_weights)
        check_bins(bins, "planed_cross_entropy")
        if not 0 <= power <= 1:
            raise StudyError(
                f"objective 'planed_cross_entropy': option 'power' must be from 0 to 1, got {power}"
            )
        if limit < 1:
            raise StudyError(
                f"objective 'planed_cross_entropy': option 'limit' must be at least 1, got {limit}"
            )
        self.against, self.bins, self.power, self.limit = against, bins, power, limit

    @property
    def spectators(self) -> tuple[str, ...]:
        """The column."""
        return (self.against,)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), times the planing weights.

        Raises DataError if the batch lacks the column.
        """
        return super().forward(outputs, batch) * self.planing(batch)

    def planing(self, batch: Batch) -> Tensor:
        """Return the planing weight v of each event, (batch,), of mean 1 in each class."""
        numbers = class_numbers(batch, self.target)
        weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
        value = spectator(batch, self.against)
        own = torch.stack([value.double(), weight.double().to(value.device), numbers.double()], 1)
        all_values, all_weights, all_numbers = everywhere(own).unbind(1)
        edges = self._edges(all_values, all_weights)
        cells = self._cells(all_values, all_numbers, edges)
        classes, bins = len(self.target.classes), count(self.bins)
        held = sums(cells, all_weights, classes * bins).view(classes, bins)
        factor = held.clamp(min=1e-12).pow(-self.power)
        flatter = torch.where(held > 0, held * factor, 0).sum(1, keepdim=True)
        factor = factor * held.sum(1, keepdim=True) / flatter.clamp(min=1e-12)
        chosen = factor.clamp(max=self.limit).view(-1)[self._cells(own[:, 0], own[:, 2], edges)]
        return chosen.float()

    def _edges(self, values: Tensor, weights: Tensor) -> list[float]:
        if isinstance(self.bins, list):
            return self.bins
        numbers = bin_numbers(values, weights, self.bins)
        tops = [values[numbers == k].max() for k in range(self.bins - 1) if (numbers == k).any()]
        return [float("-inf"), *(float(top) for top in tops), float("inf")]

    def _cells(self, values: Tensor, numbers: Tensor, edges: list[float]) -> Tensor:
        inner = values.new_tensor(edges[1:-1])
        # A number of bins closes them above, edges close them below, as `bin_numbers` does.
        right = isinstance(self.bins, list)
        bins = torch.searchsorted(inner, values.contiguous(), right=right)
        return numbers.long() * count(self.bins) + bins
