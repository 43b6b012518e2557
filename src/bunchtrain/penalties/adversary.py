"""Adversary that finds a column in the score: learning to pivot (arXiv:1611.01046).

A network r predicts the density p_r(z|f) of the column z from the score f, and the classifier f is
trained against it, min_f max_r L_f − λ L_r with L_r = −⟨ln p_r(z|f)⟩. Both learn in the same step:
r descends L_r, and the gradient that f gets from it is reversed (arXiv:1505.07818). λ is the
`weight` of the term; it scales the steps of r too, which optimisers such as adam do not feel.
`alone` pretrains both, r on an f that does not feel it; `inner` is the K of the paper.
⟨⟩ is over all events, those of classes in which r does not look counting as 0.

The value of the term is what r knows of z through f, ⟨ln p_r(z|f) − ln p(z)⟩ in nats, a lower
bound of their mutual information once r has learnt; p(z) is a density without f, learnt beside r.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import check_bins
from bunchtrain.heads._gather import everywhere
from bunchtrain.heads._inner import descend
from bunchtrain.heads._loss import TargetShape
from bunchtrain.heads._targets import class_numbers
from bunchtrain.penalties._decorrelation import Decorrelation
from bunchtrain.penalties._densities import Binned, Mixture


class Adversary(Decorrelation):
    """Adversary that predicts a column from the score, reversed (arXiv:1611.01046).

    against     column that the score shall not depend on.
    components  Gaussians in the mixture that is its density.
    edges       of bins whose probabilities are predicted in place of a mixture.
    widths      of its hidden layers.
    alone       training steps at the beginning in which the classifier does not feel it.
    ramp        steps after these in which its strength rises to full.
    inner       its steps to one of the classifier; all but the last are plain gradient descent.
    inner_rate  learning rate of these.
    classes     in which it looks, each on its own; all events together if unset.
    score       class whose probability is the score, the last one if unset.
    """

    steps: Tensor

    def __init__(
        self,
        target: TargetShape,
        *,
        against: str,
        components: int = 5,
        edges: list[float] | None = None,
        widths: tuple[int, ...] = (20, 20),
        alone: int = 0,
        ramp: int = 0,
        inner: int = 1,
        inner_rate: float = 0.1,
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target, against=against, classes=classes, score=score)
        for option, number, least in (
            ("components", components, 1),
            ("widths", min(widths, default=1), 1),
            ("alone", alone, 0),
            ("ramp", ramp, 0),
            ("inner", inner, 1),
        ):
            if number < least:
                raise StudyError(
                    f"objective 'adversary': option '{option}' must be at least {least}, "
                    f"got {number}"
                )
        if edges is not None:
            check_bins(edges, "adversary")
        self.alone, self.ramp, self.inner, self.inner_rate = alone, ramp, inner, inner_rate
        self.density = Mixture(components) if edges is None else Binned(edges)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        with torch.random.fork_rng(devices=[]):  # the classifier begins as it would without
            self.networks = nn.ModuleList(self._network(widths) for _ in classes or [""])
            size = (len(self.networks), self.density.parameters_needed)
            self.priors = nn.Parameter(torch.randn(size))

    def _network(self, widths: tuple[int, ...]) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, width in zip((1, *widths), widths, strict=False):
            layers += [nn.Linear(before, width), nn.ReLU()]
        last = (1, *widths)[-1]
        return nn.Sequential(*layers, nn.Linear(last, self.density.parameters_needed))

    @property
    def settled(self) -> bool:
        """Whether the classifier feels all of it; before, a weak adversary looks like a success."""
        return bool(self.steps >= self.alone + self.ramp)

    def strength(self) -> Tensor:
        """Return how strongly the classifier feels the adversary at this step, from 0 to 1."""
        return ((self.steps - self.alone + 1) / (self.ramp + 1)).clamp(0, 1)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), 0 for events of no class in which it looks."""
        score, value = self.probability(outputs).float(), self.column(batch)
        if self.training:
            self.density.begin(value)
        numbers = class_numbers(batch, self.target)
        if self.training and self.inner > 1:
            self._learn_alone(score.detach(), value, numbers, batch.weight)
        seen = reversed_gradient(score, self.strength())[:, None]
        chosen = self.is_chosen(numbers)
        terms = torch.zeros_like(score)
        for network, prior, mask in zip(self.networks, self.priors, chosen, strict=True):
            given = self.density(network(seen), value)
            without = self.density(prior.expand(len(value), -1), value)
            trained = given + without
            shown = (without - given - trained).detach()
            terms = terms + torch.where(mask, trained + shown, 0)
        if self.training:
            self.steps += 1
        return terms

    def _learn_alone(self, score: Tensor, value: Tensor, numbers: Tensor, weight: Tensor) -> None:
        """Take all but the last of the inner steps, on the events of all workers alike."""
        weight = weight if len(weight) else torch.ones_like(score)
        rows = everywhere(torch.stack([score, *(v.to(score) for v in (value, numbers, weight))], 1))
        score, value, numbers, weight = rows.unbind(1)
        chosen = self.is_chosen(numbers)
        for number, (network, mask) in enumerate(zip(self.networks, chosen, strict=True)):
            if weight[mask].sum() > 0:
                share = weight[mask] / weight[mask].sum()
                loss = partial(self._known, number, score[mask], value[mask], share)
                moving = [*network.parameters(), self.priors]
                descend(moving, loss, self.inner - 1, self.inner_rate)

    def _known(self, number: int, score: Tensor, value: Tensor, share: Tensor) -> Tensor:
        """Return −⟨ln p_r(z|f) + ln p(z)⟩ of a class from its events, whose shares sum to one."""
        given = self.density(self.networks[number](score[:, None]), value)
        without = self.density(self.priors[number].expand(len(value), -1), value)
        total: Tensor = (share * (given + without)).sum()
        return total


def reversed_gradient(values: Tensor, strength: Tensor) -> Tensor:
    """Return the values as they are, with a gradient of −`strength` (arXiv:1505.07818)."""
    return (values * (1 + strength)).detach() - values * strength
