"""Cross-entropy with planing: every class weighted to a flat spectrum in a column.

L = Σ_c Σ_{i in c} w_i v_i ℓ_i with v_i ∝ 1/n_cb for events of class c in bin b, so that all filled
bins of a class have equal weight and the weight of a class is unchanged. The network then cannot
learn from differences of the classes in that column alone (arXiv:1709.10106, arXiv:1511.05190). The
spectra are those of the global batch, which should be large.

With v_i ∝ n_cb^−a and a < 1 the network learns the likelihood ratio at a given value of the column,
times (n_sb/n_bb)^(1 − a) of signal s and background b.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import Bins, bin_index, check_bins, count_bins, sum_per_bin
from bunchtrain.heads._gather import gather_rows
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.parts.ranges import NonNegative, UnitFraction
from bunchtrain.targets import Target


class PlanedCrossEntropy(CrossEntropy):
    """Cross-entropy with every class flat in a column, planing (arXiv:1709.10106).

    against  column in which the spectra are made flat.
    bins     of the column: a count of bins of equal weight, or their edges.
    power    the a above: 1 for flat spectra, less for a weaker dependence, 0 for no change.
    limit    largest factor v on an event, for bins that are nearly empty.
    class_weights  class name → factor on the losses of its events, 1 where not given.
    """

    is_batch_statistic: ClassVar[bool] = True

    def __init__(
        self,
        target: Target,
        *,
        against: str,
        bins: Bins = 16,
        power: UnitFraction = 1.0,
        limit: Annotated[float, Field(ge=1, le=1e12)] = 20.0,
        class_weights: dict[str, NonNegative] | None = None,
    ) -> None:
        super().__init__(target, class_weights=class_weights)
        check_bins(bins, self.name)
        if not 0 <= power <= 1:
            raise StudyError(f"loss '{self.name}': option 'power' must be from 0 to 1, got {power}")
        if limit < 1:
            raise StudyError(f"loss '{self.name}': option 'limit' must be at least 1, got {limit}")
        self.against, self.bins, self.power, self.limit = against, bins, power, limit

    @property
    def spectators(self) -> tuple[str, ...]:
        """The column."""
        return (self.against,)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,), times the planing weights.

        Raises DataError if the batch lacks the column.
        """
        return super().forward(outputs, batch) * self.planing_weights(batch)

    def planing_weights(self, batch: Batch) -> Tensor:
        """Return the planing weight v of each event, (batch,), of mean 1 in each class."""
        index, value = self.class_index(batch), self.spectator(batch, self.against)
        weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
        own = torch.stack([value.double(), weight.double().to(value.device), index.double()], 1)
        all_values, all_weights, all_classes = gather_rows(own).unbind(1)
        edges = self._edges(all_values, all_weights)
        cells = self._cells(all_values, all_classes, edges)
        classes, bins = len(self.target.classes), count_bins(self.bins)
        spectrum = sum_per_bin(cells, all_weights, classes * bins).view(classes, bins)
        factor = spectrum.clamp(min=1e-12).pow(-self.power)
        planed = torch.where(spectrum > 0, spectrum * factor, 0).sum(1, keepdim=True)
        factor = factor * spectrum.sum(1, keepdim=True) / planed.clamp(min=1e-12)
        own_cells = self._cells(own[:, 0], own[:, 2], edges)
        return factor.clamp(max=self.limit).view(-1)[own_cells].float()

    def _edges(self, values: Tensor, weights: Tensor) -> list[float]:
        if isinstance(self.bins, list):
            return self.bins
        index = bin_index(values, weights, self.bins)
        tops = [values[index == k].max() for k in range(self.bins - 1) if (index == k).any()]
        return [float("-inf"), *(float(top) for top in tops), float("inf")]

    def _cells(self, values: Tensor, classes: Tensor, edges: list[float]) -> Tensor:
        """Return the index of class and bin of each event, (events,)."""
        inner = values.new_tensor(edges[1:-1])
        # Bins of equal weight include their upper edge, given edges the lower one, see `bin_index`.
        right = isinstance(self.bins, list)
        bins = torch.searchsorted(inner, values.contiguous(), right=right)
        return classes.long() * count_bins(self.bins) + bins
