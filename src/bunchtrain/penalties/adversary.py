"""Adversary that predicts a column from the score: learning to pivot (arXiv:1611.01046).

A network r predicts the density p_r(z|f) of the column z from the score f, and the classifier f is
trained against it, min_f max_r L_f − λ L_r with L_r = −⟨ln p_r(z|f)⟩. Both are updated in the same
step: r descends L_r, and its gradient for f is reversed (arXiv:1505.07818). λ is the `weight` of
the term; it scales the steps of r too, which optimisers such as adam normalise away. `alone`
pretrains both without a gradient from r for f; `inner` is the K of the paper. ⟨⟩ is over all
events, those outside of the `classes` counting as 0.

The reported value is the information of r on z from f, ⟨ln p_r(z|f) − ln p(z)⟩ in nats, a lower
bound of their mutual information once r has converged; p(z) is a density without f, trained with r.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._adversarial import descend, perceptron, reverse_gradient
from bunchtrain.heads._bins import check_bins
from bunchtrain.heads._gather import gather_rows
from bunchtrain.parts.ranges import Finite, HiddenWidths, Positive, StepsOrZero
from bunchtrain.penalties._densities import Binned, Mixture
from bunchtrain.penalties._penalty import Decorrelation
from bunchtrain.targets import Target


class Adversary(Decorrelation):
    """Adversary that predicts a column from the score, gradient reversed (arXiv:1611.01046).

    against     column of which the score is to be independent.
    components  Gaussians in the mixture that is its density.
    edges       of bins whose probabilities are predicted instead of a mixture.
    widths      of its hidden layers.
    alone       training steps at the beginning without a gradient for the classifier.
    ramp        steps after these in which the gradient's strength increases to 1.
    inner       its steps per step of the classifier; all but the last are plain gradient descent.
    inner_rate  learning rate of these.
    classes     in each of which it is to be independent; all events together if unset.
    score       class whose probability is the score, the last one if unset.
    """

    def __init__(
        self,
        target: Target,
        *,
        against: str,
        components: Annotated[int, Field(ge=1, le=1000)] = 5,
        edges: list[Finite] | None = None,
        widths: HiddenWidths = (20, 20),
        alone: StepsOrZero = 0,
        ramp: StepsOrZero = 0,
        inner: Annotated[int, Field(ge=1, le=1000)] = 1,
        inner_rate: Positive = 0.1,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(
            target, against=against, alone=alone, ramp=ramp, classes=classes, score=score
        )
        for option, value, least in (
            ("components", components, 1),
            ("widths", min(widths, default=1), 1),
            ("alone", alone, 0),
            ("ramp", ramp, 0),
            ("inner", inner, 1),
        ):
            if value < least:
                raise StudyError(
                    f"loss 'adversary': option '{option}' must be at least {least}, got {value}"
                )
        if edges is not None:
            check_bins(edges, self.name)
        self.inner, self.inner_rate = inner, inner_rate
        self.density = Mixture(components) if edges is None else Binned(edges)
        size = self.density.parameter_count
        with torch.random.fork_rng(devices=[]):  # the classifier's initial weights do not change
            self.networks = nn.ModuleList(perceptron(1, widths, size) for _ in classes or [""])
            self.priors = nn.Parameter(torch.randn(len(self.networks), size))

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), 0 for events outside of the `classes`."""
        score, value = self.score(outputs).float(), self.spectator(batch, self.against)
        if self.training:
            self.density.initialise(value)
        index = self.class_index(batch)
        if self.training and self.inner > 1:
            self._train_adversary(score.detach(), value, index, batch.weight)
        reversed_score = reverse_gradient(score, self.strength())[:, None]
        terms = torch.zeros_like(score)
        for network, prior, mask in zip(
            self.networks, self.priors, self.class_masks(index), strict=True
        ):
            given = self.density(network(reversed_score), value)
            without = self.density(prior.expand(len(value), -1), value)
            trained = given + without
            reported = (without - given - trained).detach()
            terms = terms + torch.where(mask, trained + reported, 0)
        self.count_step()
        return terms

    def _train_adversary(self, score: Tensor, value: Tensor, index: Tensor, weight: Tensor) -> None:
        """Take all but the last of the inner steps, on the events of all workers."""
        weight = weight if len(weight) else torch.ones_like(score)
        columns = [score, *(v.to(score) for v in (value, index, weight))]
        score, value, index, weight = gather_rows(torch.stack(columns, 1)).unbind(1)
        masks = self.class_masks(index)
        for k, (network, mask) in enumerate(zip(self.networks, masks, strict=True)):
            if weight[mask].sum() > 0:
                share = weight[mask] / weight[mask].sum()
                loss = partial(self._mean_loss, k, score[mask], value[mask], share)
                updated = [*network.parameters(), self.priors]
                descend(updated, loss, self.inner - 1, self.inner_rate)

    def _mean_loss(self, k: int, score: Tensor, value: Tensor, share: Tensor) -> Tensor:
        """Return −⟨ln p_r(z|f) + ln p(z)⟩ of class k from its events, whose shares sum to one."""
        given = self.density(self.networks[k](score[:, None]), value)
        without = self.density(self.priors[k].expand(len(value), -1), value)
        total: Tensor = (share * (given + without)).sum()
        return total
