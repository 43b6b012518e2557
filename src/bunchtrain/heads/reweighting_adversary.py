"""Weights that map simulation to data, trained against a discriminator.

The output f of an event is the logarithm of its weight, w = e^f / ⟨e^f⟩ with the mean over the
simulation of a batch, by event weights. A discriminator d(z) of columns z separates weighted
simulation from data,

    min_d max_f  ⟨w BCE(d(z), 0)⟩_simulation + ⟨BCE(d(z), 1)⟩_data,

whose saddle point is w = p_data(z) / p_simulation(z), the ratio that a classifier gives as
p/(1 − p) (arXiv:1907.08209). Before each step of f the discriminator takes `steps` of its own
optimiser. The value is the information of the discriminator, ln 2 − BCE in nats.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._gather import gather_rows
from bunchtrain.heads._opponent import Opponent, Standardise, perceptron
from bunchtrain.heads.binary_cross_entropy import BinaryCrossEntropy
from bunchtrain.parts.ranges import HiddenWidths, LearningRate, Positive
from bunchtrain.targets import Target


class ReweightingAdversary(BinaryCrossEntropy, nn.Module):
    """Weights p/(1 − p) of the first class, trained against a discriminator (arXiv:1406.2661).

    The first class of the target is simulation, the second data. The predictions are probabilities
    as of a classifier: `bunchtrain reweight` turns either into weights.

    against        columns that are the inputs of the discriminator.
    widths         of its hidden layers.
    strength       factor on the gradient for the weights.
    steps          of the discriminator before each step of the weights. More of them damp
                   oscillations of the two.
    learning_rate  of its optimiser; that of the training if unset.
    """

    is_batch_statistic: ClassVar[bool] = True

    def __init__(
        self,
        target: Target,
        *,
        against: list[str],
        widths: HiddenWidths = (64, 64),
        strength: Positive = 1.0,
        steps: Annotated[int, Field(ge=1, le=1000)] = 1,
        learning_rate: LearningRate | None = None,
    ) -> None:
        super().__init__(target)
        if not against or min(widths, default=1) < 1 or not strength > 0 or steps < 1:
            raise StudyError(
                "loss 'reweighting_adversary': give columns 'against', widths and steps of at "
                "least 1, and a strength above 0"
            )
        self.against, self.strength = list(against), strength
        self.standardise = Standardise((len(against),))
        with torch.random.fork_rng(devices=[]):  # the network's initial weights do not change
            self.discriminator = perceptron(len(against), widths, 1)
        self.opponent = Opponent(tuple(self.discriminator.parameters()), steps, learning_rate)

    @property
    def spectators(self) -> tuple[str, ...]:
        """The columns."""
        return tuple(self.against)

    @property
    def is_comparable_across_epochs(self) -> bool:
        """False, so that the last epoch is kept: the value is small if *either* side is weak."""
        return False

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), whose mean is the information of the discriminator."""
        information = math.log(2) - self.opponent_losses(outputs, batch)
        return self.strength * information + (1 - self.strength) * information.detach()

    def opponent_losses(self, given: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return the cross-entropy of the discriminator, times the weights, (batch,)."""
        data = self.class_index(batch) == 1
        log_weight = given[self.target.name].float().squeeze(1)
        weight = self._normalise(log_weight, data, batch.weight)
        columns = torch.stack([self.spectator(batch, name) for name in self.against], 1)
        if self.training:
            self.standardise.initialise(columns)
        logit = self.discriminator(self.standardise(columns)).squeeze(1)
        loss = functional.binary_cross_entropy_with_logits(logit, data.float(), reduction="none")
        return torch.where(data, loss, weight * loss)

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
