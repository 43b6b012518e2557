"""Adversary that finds a column in the score: learning to pivot (arXiv:1611.01046).

A network r predicts the density p_r(z|f) of the column z from the score f, and the classifier f is
trained against it, min_f max_r L_f − λ L_r with L_r = −⟨ln p_r(z|f)⟩. Both learn in the same step:
r descends L_r, and the gradient that f gets from it is reversed (arXiv:1505.07818). λ is the
`weight` of the term; it scales the steps of r too, which optimisers such as adam do not feel.
⟨⟩ is over all events, those of classes in which r does not look counting as 0.

The value of the term is what r knows of z through f, ⟨ln p_r(z|f) − ln p(z)⟩ in nats, a lower
bound of their mutual information once r has learnt; p(z) is a density without f, learnt beside r.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.objectives._bins import check_bins
from bunchtrain.objectives._decorrelation import Decorrelation
from bunchtrain.objectives._densities import Binned, Mixture
from bunchtrain.objectives._objective import TargetShape
from bunchtrain.objectives._targets import class_numbers


class Adversary(Decorrelation):
    """Adversary that predicts a column from the score, reversed (arXiv:1611.01046).

    against     column that the score shall not depend on.
    components  Gaussians in the mixture that is its density.
    edges       of bins whose probabilities are predicted in place of a mixture.
    widths      of its hidden layers.
    alone       training steps at the beginning in which the classifier does not feel it.
    ramp        steps after these in which its strength rises to full.
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
        classes: list[str] | None = None,
        score: str | None = None,
    ) -> None:
        super().__init__(target, against=against, classes=classes, score=score)
        for option, number, least in (
            ("components", components, 1),
            ("widths", min(widths, default=1), 1),
            ("alone", alone, 0),
            ("ramp", ramp, 0),
        ):
            if number < least:
                raise StudyError(
                    f"objective 'adversary': option '{option}' must be at least {least}, "
                    f"got {number}"
                )
        if edges is not None:
            check_bins(edges, "adversary")
        self.alone, self.ramp = alone, ramp
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

    def strength(self) -> Tensor:
        """Return how strongly the classifier feels the adversary at this step, from 0 to 1."""
        return ((self.steps - self.alone + 1) / (self.ramp + 1)).clamp(0, 1)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the terms (batch,), 0 for events of no class in which it looks."""
        score, value = self.probability(outputs).float(), self.column(batch)
        if self.training:
            self.density.begin(value)
        seen = reversed_gradient(score, self.strength())[:, None]
        chosen = self.is_chosen(class_numbers(batch, self.target))
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


def reversed_gradient(values: Tensor, strength: Tensor) -> Tensor:
    """Return the values as they are, with a gradient of −`strength` (arXiv:1505.07818)."""
    return (values * (1 + strength)).detach() - values * strength
