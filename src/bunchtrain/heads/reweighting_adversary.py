"""Weights that make simulation look like data, learnt against a discriminator.

The output f of an event is the logarithm of its weight, w = e^f / ⟨e^f⟩ with the mean over the
simulation of a batch, by event weights. A discriminator d(z) of columns z tells weighted
simulation from data,

    min_d max_f  ⟨w BCE(d(z), 0)⟩_simulation + ⟨BCE(d(z), 1)⟩_data,

which ends where it cannot: at w = p_data(z) / p_simulation(z), the ratio that a classifier gives as
p/(1 − p) (arXiv:1907.08209). Both learn in the same step, the gradient that f gets being reversed
(arXiv:1505.07818). The value of the term is what the discriminator knows, ln 2 − BCE in nats.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._gather import everywhere
from bunchtrain.heads._inner import descend
from bunchtrain.heads._loss import TargetShape
from bunchtrain.heads._spectators import spectator
from bunchtrain.heads._targets import class_numbers
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.penalties.adversary import reversed_gradient


class ReweightingAdversary(BinaryCrossEntropy):
    """Weights p/(1 − p) of the first class, learnt against a discriminator (arXiv:1505.07818).

    The first class of the target is simulation, the second data. Scores are those of a classifier:
    `bunchtrain reweight` makes weights of either.

    Args:
        against: columns that the discriminator looks at.
        widths: of its hidden layers.
        strength: factor on the gradient that the weights get, beside the discriminator's own.
        inner: steps of the discriminator to one of the weights; all but the last are plain
            gradient descent. More of them keep the two from running around each other.
        inner_rate: learning rate of these.
    """

    def __init__(
        self,
        target: TargetShape,
        *,
        against: list[str],
        widths: tuple[int, ...] = (64, 64),
        strength: float = 1.0,
        inner: int = 1,
        inner_rate: float = 0.1,
    ) -> None:
        super().__init__(target)
        if not against or min(widths, default=1) < 1 or not strength > 0 or inner < 1:
            raise StudyError(
                "objective 'reweighting_adversary': give columns 'against', widths and inner steps "
                "of at least 1, and a strength above 0"
            )
        self.against, self.strength = list(against), strength
        self.inner, self.inner_rate = inner, inner_rate
        layers: list[nn.Module] = [nn.BatchNorm1d(len(against), affine=False)]
        with torch.random.fork_rng(devices=[]):  # the network begins as it would without
            for before, width in zip((len(against), *widths), widths, strict=False):
                layers += [nn.Linear(before, width), nn.ReLU()]
            last = (len(against), *widths)[-1]
            self.discriminator = nn.Sequential(*layers, nn.Linear(last, 1))

    @property
    def spectators(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.against)

    @property
    def settled(self) -> bool:
        """False, so that the last epoch is kept: the value is small if *either* side is weak."""
        return False

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), shown as the discriminator's knowledge."""
        data = class_numbers(batch, self.target) == 1
        log_weight = outputs[self.target.name].float().squeeze(1)
        normalised = self._normalised(log_weight, data, batch.weight)
        weight = reversed_gradient(normalised, torch.tensor(self.strength))
        columns = torch.stack([spectator(batch, name) for name in self.against], 1)
        if self.training and self.inner > 1:
            self._learn_alone(columns, data, normalised.detach(), batch.weight)
        loss = self._losses(columns, data)
        terms = torch.where(data, loss, weight * loss)
        return terms + (math.log(2) - 2 * terms).detach()

    def _losses(self, columns: Tensor, data: Tensor) -> Tensor:
        """Return the cross-entropy of the discriminator, (events,)."""
        seen = self.discriminator(columns).squeeze(1)
        return functional.binary_cross_entropy_with_logits(seen, data.float(), reduction="none")

    def _learn_alone(self, columns: Tensor, data: Tensor, factor: Tensor, weight: Tensor) -> None:
        """Take all but the last of the inner steps, on the events of all workers alike."""
        weight = weight.to(factor) if len(weight) else torch.ones_like(factor)
        own = torch.where(data, weight, weight * factor)
        rows = everywhere(torch.cat([columns, torch.stack([own, data.to(own)], 1)], 1))
        columns, own, data = rows[:, :-2], rows[:, -2], rows[:, -1] > 0.5
        share = own / own.sum()

        def loss() -> Tensor:
            return (share * self._losses(columns, data)).sum()

        descend(self.discriminator.parameters(), loss, self.inner - 1, self.inner_rate)

    def _normalised(self, log_weight: Tensor, data: Tensor, weight: Tensor) -> Tensor:
        """Return e^f over its mean among the simulation of all workers' events, (batch,)."""
        given = weight.to(log_weight) if len(weight) else torch.ones_like(log_weight)
        rows = everywhere(torch.stack([log_weight, given * ~data], 1))
        total = rows[:, 1].sum()
        if not total > 0:
            return torch.ones_like(log_weight)
        counted = rows[rows[:, 1] > 0]
        return (log_weight - (counted[:, 0] + counted[:, 1].log()).logsumexp(0)).exp() * total
