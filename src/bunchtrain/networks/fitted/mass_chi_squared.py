"""χ² of invariant masses: the classical assignment of jets to the products of particles.

The score of a combination of jets for a particle is, with the masses m_s of all of its products and
of each set of two or more that may be exchanged, such as m(bqq) and m(qq) of a top quark,

    s = −½ Σ_s (m_s − M_s)² / σ_s² + Σ_j ln[p_j(tag of jet j) / p_0(tag of jet j)].

M and σ are median and half the 68 % width of m in the right combinations of the training set. The
second term is there if the jets have tags, such as those of b jets: p_j is the frequency of a tag
among the jets of product j, p_0 among the jets of no product. Particles that may be exchanged share
all of them. χ² of masses is the baseline of arXiv:2106.03898; there the difference of both top
masses takes the place of the known mass.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError
from bunchtrain.heads._combinations import combination_masks, pack
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.combination_readout import (
    invariant_masses,
    mass_sets,
    point_combinations,
)
from bunchtrain.networks.layers.fit_models import Batches, FitModel, History
from bunchtrain.networks.layers.packing import starts
from bunchtrain.targets import Assignment

#: Probabilities of a Gaussian below −1, 0 and +1 standard deviation.
QUANTILES = (0.158655, 0.5, 0.841345)


class MassChiSquared(FitModel, nn.Module):
    """χ² of invariant masses, with the tags of jets, of each combination (arXiv:2106.03898).

    features    number of features of a jet: each is a tag, a whole number from 0.
    momenta     4, for (E, px, py, pz) in GeV.
    outputs     number of outputs.
    assignment  the particles with their products.
    tags        number of values of a tag.
    """

    tensors: ClassVar[tuple[str, ...]] = ("features", "momenta", "lengths")
    takes_tensors: ClassVar[bool] = True
    supported_losses: ClassVar[Mapping[str, str]] = {"assignment_cross_entropy": "log_likelihood"}

    masses: Tensor  # (mass,) M of all particles in GeV, 0 before the fit
    widths: Tensor  # (mass,) σ
    tag_terms: Tensor  # (role, feature, tag) ln p_j / p_0

    def __init__(
        self,
        features: int,
        momenta: int,
        outputs: int,
        assignment: Assignment,
        *,
        tags: Annotated[int, Field(ge=2, le=100)] = 2,
    ) -> None:
        super().__init__(features, outputs)
        self.assignment, self.tags = assignment, tags
        counts = [len(mass_sets(sets)) for sets in assignment.product_sets]
        self.counts = counts
        self.register_buffer("masses", torch.zeros(sum(counts)))
        self.register_buffer("widths", torch.ones(sum(counts)))
        self.register_buffer("tag_terms", torch.zeros(len(assignment.roles), features, tags))

    @property
    def is_fitted(self) -> bool:
        """True once the masses or the terms of tags are set."""
        return bool(self.masses.any()) or bool(self.tag_terms.any())

    def forward(  # type: ignore[override]  # a model names its tensors
        self, features: Tensor, momenta: Tensor, lengths: Tensor
    ) -> Tensor:
        """Return the packed scores (combinations, 1).

        features  (points, feature), tags.
        momenta   (points, 4) as (E, px, py, pz) in GeV.
        lengths   (batch,), points of each event.
        """
        masks, scores = combination_masks(lengths, self.assignment), []
        masses, widths = (torch.split(one, self.counts) for one in (self.masses, self.widths))
        for k, (mask, sets, span) in enumerate(
            zip(masks, self.assignment.product_sets, self.assignment.spans.values(), strict=True)
        ):
            index = point_combinations(lengths, mask, sets)
            score = momenta.new_zeros(len(index))
            if self.counts[k]:
                pulls = (invariant_masses(momenta, index, sets) - masses[k]) / widths[k]
                score = score - pulls.square().sum(1) / 2
            for product, role in enumerate(span):
                score = score + self._tag_term(features[index[:, product]], role)
            scores.append(score.new_zeros(mask.shape).masked_scatter(mask, score))
        return pack(scores, masks)

    def _tag_term(self, features: Tensor, role: int) -> Tensor:
        """Return the terms of the tags of jets (jets, feature) in a role, (jets,)."""
        tag = features.round().long().clamp(0, self.tags - 1)
        columns = torch.arange(features.shape[1], device=features.device)
        return self.tag_terms[role, columns, tag].sum(1)

    def fit(
        self, training: Batches, validation: Batches, loss: Head, seed: int, threads: int
    ) -> History:
        """Fit masses, widths and frequencies of tags; return the losses.

        Raises DataError for features that are no tags, or without a complete particle.
        """
        self.check_loss(loss)
        batches = [batch for batch in training if len(batch)]
        for batch in batches:
            self.check_inputs(batch.inputs)
        self._fit_masses(batches, loss.target.name)
        self._fit_tags(batches, loss.target.name)
        return [self.mean_losses(loss, training, validation)]

    @torch.inference_mode()
    def _mean_loss(self, loss: Head, batches: Iterable[Batch]) -> float | None:
        total = weights = 0.0
        for batch in batches:
            weight = batch.weight if len(batch.weight) else torch.ones(len(batch))
            outputs = self(*(batch.inputs[name] for name in self.tensors))
            total += float((weight * loss({loss.target.name: outputs}, batch)).sum())
            weights += float(weight.sum())
        return total / weights if weights else None

    def check_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Raise DataError for features that are no tags."""
        features = inputs["features"]
        wrong = (features != features.round()) | (features < 0) | (features >= self.tags)
        if bool(wrong.any()):
            raise DataError(
                f"model 'mass_chi_squared' takes features that are tags from 0 to {self.tags - 1}, "
                f"and one is {float(features[wrong][0]):g}; give e.g. features: [btag], "
                "normalise: none, or change its option 'tags'"
            )

    def _fit_masses(self, batches: list[Batch], target: str) -> None:
        """Set M and σ from the right combinations, together of particles that may be exchanged."""
        first = [sum(self.counts[:k]) for k in range(len(self.counts))]
        for together in self.assignment.particle_sets:
            name = self.assignment.particles[together[0]][0]
            if not self.counts[together[0]]:  # of one jet, whose mass says nothing
                continue
            found = torch.cat([one for k in together for one in self._right(batches, target, k)])
            if not len(found):
                raise DataError(
                    f"targets.{target}: no training event has all products of '{name}'; check the "
                    "indices, or use more events"
                )
            levels = torch.tensor(QUANTILES, dtype=found.dtype)
            low, middle, high = torch.quantile(found, levels, dim=0)
            for k in together:
                span = slice(first[k], first[k] + self.counts[k])
                self.masses[span] = middle
                self.widths[span] = ((high - low) / 2).clamp(min=1e-3)

    def _right(self, batches: list[Batch], target: str, particle: int) -> Iterator[Tensor]:
        """Yield the masses of the right combinations of a particle, (events, mass)."""
        sets = self.assignment.product_sets[particle]
        span = list(self.assignment.spans.values())[particle]
        for batch in batches:
            points = batch.targets[target][:, span[0] : span[-1] + 1]
            index = points + starts(batch.inputs["lengths"])[:, None]
            index = index[(points >= 0).all(1)]
            yield invariant_masses(batch.inputs["momenta"], index, sets)

    def _fit_tags(self, batches: list[Batch], target: str) -> None:
        """Set ln p_j / p_0 from the frequencies of tags, with half a jet added to each."""
        roles, features = len(self.assignment.roles), self.features
        counts = torch.full((roles + 1, features, self.tags), 0.5, dtype=torch.float64)
        columns = torch.arange(features)
        for batch in batches:
            tag = batch.inputs["features"].round().long()
            role = torch.full((len(tag),), roles)
            points = batch.targets[target]
            index = points + starts(batch.inputs["lengths"])[:, None]
            for k in range(roles):
                role[index[:, k][points[:, k] >= 0]] = k
            ones = torch.ones(tag.shape, dtype=torch.float64)
            place = (role[:, None].expand_as(tag), columns.expand_as(tag), tag)
            counts.index_put_(place, ones, accumulate=True)
        for alike in self._roles_alike():
            counts[alike] = counts[alike].sum(0)
        log_p = (counts / counts.sum(2, keepdim=True)).log()
        self.tag_terms.copy_(log_p[:-1] - log_p[-1])

    def _roles_alike(self) -> Iterator[list[int]]:
        """Yield the roles that share their frequencies, as they may be exchanged."""
        spans = list(self.assignment.spans.values())
        for together in self.assignment.particle_sets:
            for one in self.assignment.product_sets[together[0]]:
                yield [spans[k][index] for k in together for index in one]
