"""Symmetric cross-entropy of the assignment of points to the products of particles.

Each particle k has a softmax P_k over the combinations of points for its products; products that
may be exchanged make one combination. With the true combinations c, over the particles whose
products are all there, and over the allowed orders σ of the particles (arXiv:2106.03898),

    ℓ = min_σ −Σ_k log P_k(c_σ(k)).

The predicted assignment is the joint one of largest Σ_k log P_k that uses no point twice.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError
from bunchtrain.heads._combinations import (
    combination_masks,
    combinations,
    find_combinations,
    unpack,
)
from bunchtrain.heads._head import Head
from bunchtrain.heads._joint_assignment import SIZE, best_assignment
from bunchtrain.targets import Quantity, Target


class AssignmentCrossEntropy(Head):
    """Symmetric cross-entropy of each particle's combination of points (arXiv:2106.03898).

    A particle of which a product is missing has no term. The probability of a product is that of
    all combinations in which it is, or may be, this point.
    """

    gives_probabilities: ClassVar[bool] = False

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self.assignment = self.require_assignment()

    @property
    def outputs(self) -> int:
        """One output, the score, for each combination."""
        return 1

    def output_rows(self, batch: Batch) -> int:
        """Return the number of combinations of all particles and events."""
        masks = combination_masks(batch.inputs["lengths"], self.assignment)
        return int(sum(mask.sum() for mask in masks))

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the losses (batch,)."""
        lengths, truth = batch.inputs["lengths"], self._truth(batch)
        most = int(lengths.max()) if len(lengths) else 0
        log_p = self._log_probabilities(outputs[self.target.name], lengths)
        spans = list(self.assignment.spans.values())
        true = [
            find_combinations(truth[:, span[0] : span[-1] + 1], most, sets)
            for span, sets in zip(spans, self.assignment.product_sets, strict=True)
        ]
        losses = [
            sum(
                (_cross_entropy(log_p[k], true[j]) for k, j in enumerate(order)),
                log_p[0].new_zeros(len(lengths)),
            )
            for order in self.assignment.particle_orders
        ]
        found = torch.stack(losses).amin(0)
        packed = outputs[self.target.name]
        # Without combinations the loss is 0, and must still belong to the graph of the network.
        return found if len(packed) else found + packed.sum()

    def _truth(self, batch: Batch) -> Tensor:
        truth: Tensor = self._labels(batch)
        roles = len(self.assignment.roles)
        if truth.dtype != torch.int64 or truth.ndim != 2 or truth.shape[1] != roles:
            raise DataError(
                f"target '{self.target.name}' must be indices of points (batch, {roles}) of int64, "
                f"got shape {tuple(truth.shape)} of {truth.dtype}"
            )
        return truth

    def _log_probabilities(self, output: Tensor, lengths: Tensor) -> list[Tensor]:
        """Return log P of each particle, (batch, combinations), −∞ where there is none."""
        scores = unpack(output.float(), combination_masks(lengths, self.assignment))
        # An event without combinations has a row of −∞, whose softmax would be NaN.
        return [
            torch.where(one.isneginf(), one, one - one.logsumexp(1, keepdim=True)) for one in scores
        ]

    def predictions(self, output: Tensor) -> dict[Quantity, Tensor]:
        """Return the predictions of no event, as the quantities alone."""
        return self.event_predictions(output[:0], torch.zeros(0, dtype=torch.int64))

    def event_predictions(self, output: Tensor, lengths: Tensor) -> dict[Quantity, Tensor]:
        """Return the best joint assignment of each event and its probabilities, (batch,) each.

        output   (combinations of all events, 1).
        lengths  (batch,), points of each event.
        """
        sets = self.assignment.product_sets
        most = int(lengths.max()) if len(lengths) else 0
        size = sum(len(combinations(most, one)) for one in sets)
        counts = sum(mask.sum(1) for mask in combination_masks(lengths, self.assignment))
        assert isinstance(counts, Tensor)  # there is a particle
        blocks = torch.split(torch.arange(len(lengths)), max(1, SIZE // max(1, size)))
        rows = torch.split(output, [int(counts[block].sum()) for block in blocks])
        parts = [
            self._predict_block(scores, lengths[block])
            for scores, block in zip(rows, blocks, strict=True)
        ]
        return {quantity: torch.cat([part[quantity] for part in parts]) for quantity in parts[0]}

    def _predict_block(self, output: Tensor, lengths: Tensor) -> dict[Quantity, Tensor]:
        assignment, found = self.assignment, dict[Quantity, Tensor]()
        most = int(lengths.max()) if len(lengths) else 0
        tables = [combinations(most, sets) for sets in assignment.product_sets]
        log_p = self._log_probabilities(output, lengths)
        chosen = best_assignment(log_p, tables)
        for k, ((name, span), table) in enumerate(
            zip(assignment.spans.items(), tables, strict=True)
        ):
            has_one = chosen[:, k] >= 0
            points = torch.full((len(lengths), len(span)), -1)
            points[has_one] = table[chosen[has_one, k]]
            probability = log_p[k].exp()
            for index, role in enumerate(span):
                label = assignment.roles[role]
                together = next(one for one in assignment.product_sets[k] if index in one)
                found[Quantity(label, "index")] = points[:, index]
                includes = (table[:, list(together)] == points[:, index, None, None]).any(2)
                of_role = (probability * includes).sum(1)
                found[Quantity(label, "probability")] = of_role.where(has_one, torch.nan)
            whole = _gather(probability, chosen[:, k])
            found[Quantity(name, "probability")] = whole
        found[Quantity("assignment", "probability")] = self._joint_probability(log_p, chosen)
        return found

    def _joint_probability(self, log_p: list[Tensor], chosen: Tensor) -> Tensor:
        """Return Σ_σ Π_k P_k of the chosen combinations, (batch,), over particles that have one."""
        total = torch.zeros(len(chosen))
        for order in self.assignment.particle_orders:
            factors = [_gather(log_p[k].exp(), chosen[:, j]) for k, j in enumerate(order)]
            # Orders in which a particle without a combination gets one are no probabilities.
            alike = ((chosen[:, list(order)] >= 0) == (chosen >= 0)).all(1)
            total = total + alike * torch.stack(factors).nan_to_num(1.0).prod(0)
        return total.where((chosen >= 0).any(1), torch.nan)


def _cross_entropy(log_p: Tensor, true: Tensor) -> Tensor:
    """Return −log P of the true combination (batch,), 0 where it is missing."""
    return -_gather(log_p, true).nan_to_num(0.0)


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """Return values (batch, combinations) at an index (batch,), NaN where it is −1."""
    if not values.shape[1]:
        return values.new_full((len(values),), torch.nan)
    found = values.gather(1, index.clamp(min=0)[:, None])[:, 0]
    return found.where(index >= 0, torch.nan)
