"""Adversary that predicts a column from the score: learning to pivot (arXiv:1611.01046).

A network r predicts the density p_r(z|f) of the column z from the score f, and the classifier f is
trained against it, min_f max_r L_f − λ L_r with L_r = −⟨ln p_r(z|f)⟩. Before each step of the
classifier r takes `steps`, the K of the paper, of its own optimiser on L_r. λ is the `weight` of
the term. `alone` pretrains both without a gradient from r for f. ⟨⟩ is over all events, those
outside of the `classes` counting as 0.

The value is the information of r on z from f, ⟨ln p_r(z|f) − ln p(z)⟩ in nats, a lower bound of
their mutual information once r has converged; p(z) is a density without f, trained with r.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.heads._bins import check_bins
from bunchtrain.heads._opponent import Opponent, perceptron
from bunchtrain.parts.ranges import Finite, HiddenWidths, LearningRate, StepsOrZero
from bunchtrain.penalties._densities import Binned, Mixture
from bunchtrain.penalties._penalty import Decorrelation
from bunchtrain.targets import Target


class Adversary(Decorrelation):
    """Adversary that predicts a column from the score, with its own Adam (arXiv:1611.01046).

    against        column of which the score is to be independent.
    components     Gaussians in the mixture that is its density.
    edges          of bins whose probabilities are predicted instead of a mixture.
    widths         of its hidden layers.
    alone          training steps at the beginning without a gradient for the classifier.
    ramp           steps after these in which the gradient's strength increases to 1.
    steps          its steps before each step of the classifier.
    learning_rate  of its optimiser; that of the training if unset.
    classes        in each of which it is to be independent; all events together if unset.
    score          class whose probability is the score, the last one if unset.
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
        steps: Annotated[int, Field(ge=1, le=1000)] = 1,
        learning_rate: LearningRate | None = None,
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
            ("steps", steps, 1),
        ):
            if value < least:
                raise StudyError(
                    f"loss 'adversary': option '{option}' must be at least {least}, got {value}"
                )
        if edges is not None:
            check_bins(edges, self.name)
        self.density = Mixture(components) if edges is None else Binned(edges)
        size = self.density.parameter_count
        with torch.random.fork_rng(devices=[]):  # the classifier's initial weights do not change
            self.networks = nn.ModuleList(perceptron(1, widths, size) for _ in classes or [""])
            self.priors = nn.Parameter(torch.randn(len(self.networks), size))
        trained = (*self.networks.parameters(), self.priors)
        self.opponent = Opponent(trained, steps, learning_rate)

    def forward(self, outputs: dict[str, Tensor], batch: Batch) -> Tensor:
        """Return the information of r (batch,), 0 for events outside of the `classes`.

        Its gradient has the strength of this step.
        """
        given, without = self._densities(outputs, batch)
        information, strength = without.detach() - given, self.strength()
        self.count_step()
        return strength * information + (1 - strength) * information.detach()

    def opponent_losses(self, given: Mapping[str, Tensor], batch: Batch) -> Tensor:
        """Return −ln p_r(z|f) − ln p(z) of each event, (batch,)."""
        of_score, without = self._densities(given, batch)
        return of_score + without

    def _densities(self, outputs: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """Return −ln p_r(z|f) and −ln p(z), (batch,) each, 0 outside of the `classes`."""
        score, value = self.score(outputs).float(), self.spectator(batch, self.against)
        if self.training:
            self.density.initialise(value)
        given, without = torch.zeros_like(score), torch.zeros_like(score)
        for network, prior, mask in zip(
            self.networks, self.priors, self.class_masks(self.class_index(batch)), strict=True
        ):
            given = given + torch.where(mask, self.density(network(score[:, None]), value), 0)
            alone = self.density(prior.expand(len(value), -1), value)
            without = without + torch.where(mask, alone, 0)
        return given, without
