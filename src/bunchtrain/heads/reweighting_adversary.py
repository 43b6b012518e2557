"""Weights that map simulation to data, trained against a discriminator.

The output f of an event is the logarithm of its weight, w = e^f / ⟨e^f⟩ with the mean over the
simulation of a batch, by event weights. A discriminator d(z) of columns z separates weighted
simulation from data,

    min_d max_f  ⟨w BCE(d(z), 0)⟩_simulation + ⟨BCE(d(z), 1)⟩_data,

whose saddle point is w = p_data(z) / p_simulation(z), the ratio that a classifier gives as
p/(1 − p) (arXiv:1907.08209). Both are updated in the same step, with the gradient for f reversed
(arXiv:1505.07818). The reported value is the information of the discriminator, ln 2 − BCE in nats.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._adversarial import descend, perceptron, reverse_gradient
from bunchtrain.heads._gather import gather_rows
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.parts.ranges import HiddenWidths, Positive
from bunchtrain.targets import Target


class ReweightingAdversary(BinaryCrossEntropy):
    """Weights p/(1 − p) of the first class, trained against a discriminator (arXiv:1505.07818).

    The first class of the target is simulation, the second data. The predictions are probabilities
    as of a classifier: `bunchtrain reweight` turns either into weights.

    against     columns that are the inputs of the discriminator.
    widths      of its hidden layers.
    strength    factor on the gradient for the weights, relative to the discriminator's.
    inner       steps of the discriminator per step of the weights; all but the last are plain
                gradient descent. More of them damp oscillations of the two.
    inner_rate  learning rate of these.
    """

    is_batch_statistic: ClassVar[bool] = True

    def __init__(
        self,
        target: Target,
        *,
        against: list[str],
        widths: HiddenWidths = (64, 64),
        strength: Positive = 1.0,
        inner: Annotated[int, Field(ge=1, le=1000)] = 1,
        inner_rate: Positive = 0.1,
    ) -> None:
        super().__init__(target)
        if not against or min(widths, default=1) < 1 or not strength > 0 or inner < 1:
            raise StudyError(
                "loss 'reweighting_adversary': give columns 'against', widths and inner steps of "
                "at least 1, and a strength above 0"
            )
        self.against, self.strength = list(against), strength
        self.inner, self.inner_rate = inner, inner_rate
        normalise = nn.BatchNorm1d(len(against), affine=False)
        with torch.random.fork_rng(devices=[]):  # the network's initial weights do not change
            self.discriminator = nn.Sequential(normalise, *perceptron(len(against), widths, 1))

    @property
    def spectators(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.against)

    @property
    def is_comparable_across_epochs(self) -> bool:
        """False, so that the last epoch is kept: the value is small if *either* side is weak."""
        return False

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), with the information of the discriminator as their value."""
        data = self.class_index(batch) == 1
        log_weight = outputs[self.target.name].float().squeeze(1)
        normalised = self._normalise(log_weight, data, batch.weight)
        weight = reverse_gradient(normalised, torch.tensor(self.strength))
        columns = torch.stack([self.spectator(batch, name) for name in self.against], 1)
        if self.training and self.inner > 1:
            self._train_discriminator(columns, data, normalised.detach(), batch.weight)
        loss = self._losses(columns, data)
        terms = torch.where(data, loss, weight * loss)
        return terms + (math.log(2) - 2 * terms).detach()

    def _losses(self, columns: Tensor, data: Tensor) -> Tensor:
        """Return the cross-entropy of the discriminator, (events,)."""
        logit = self.discriminator(columns).squeeze(1)
        return functional.binary_cross_entropy_with_logits(logit, data.float(), reduction="none")

    def _train_discriminator(
        self, columns: Tensor, data: Tensor, factor: Tensor, weight: Tensor
    ) -> None:
        """Take all but the last of the inner steps, on the events of all workers."""
        weight = weight.to(factor) if len(weight) else torch.ones_like(factor)
        own = torch.where(data, weight, weight * factor)
        rows = gather_rows(torch.cat([columns, torch.stack([own, data.to(own)], 1)], 1))
        columns, own, data = rows[:, :-2], rows[:, -2], rows[:, -1] > 0.5
        share = own / own.sum()

        def loss() -> Tensor:
            return (share * self._losses(columns, data)).sum()

        descend(self.discriminator.parameters(), loss, self.inner - 1, self.inner_rate)

    def _normalise(self, log_weight: Tensor, data: Tensor, weight: Tensor) -> Tensor:
        """Return e^f over its mean in the simulation of all workers, (batch,); unused for data."""
        given = weight.to(log_weight) if len(weight) else torch.ones_like(log_weight)
        rows = gather_rows(torch.stack([log_weight, given * ~data], 1))
        total = rows[:, 1].sum()
        if not total > 0:
            return torch.ones_like(log_weight)
        simulated = rows[rows[:, 1] > 0]
        log_mean = (simulated[:, 0] + simulated[:, 1].log()).logsumexp(0)
        # Data have no weight; their outputs would overflow.
        return torch.where(data, 0, log_weight - log_mean).exp() * total
