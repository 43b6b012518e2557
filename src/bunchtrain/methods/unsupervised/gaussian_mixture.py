"""Mixture of Gaussians: the classical baseline of a flow."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import Categorical, Distribution, MixtureSameFamily, MultivariateNormal

from bunchtrain.errors import DataError
from bunchtrain.methods.protocols import CONDITION
from bunchtrain.methods.unsupervised._fit_method import Array, FitMethod, resample
from bunchtrain.methods.unsupervised._method import gaussian_losses
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE, LOG_LIKELIHOOD

#: Least variance of a component, in units of the normalised values; of steps, e.g. classes, too.
LEAST = 1e-4


class GaussianMixture(FitMethod):
    """Density p(x, c) = Σ_k w_k N(x, c; μ_k, Σ_k) by scikit-learn (arXiv:1201.0490).

    With a condition c the density is p(x | c), a mixture again. It gives the log likelihood of an
    event, the anomaly score −log p and generated events.

    components  number of Gaussians with covariances of their own.
    iterations  maximum number of iterations of the expectation maximisation.
    """

    quantities = (ANOMALY_SCORE, LOG_LIKELIHOOD)

    weights: Tensor  # (component,)
    means: Tensor  # (component, value), those of the condition last
    covariances: Tensor  # (component, value, value)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        components: Annotated[int, Field(ge=1, le=1000)] = 10,
        iterations: Annotated[int, Field(ge=1, le=10_000)] = 200,
    ) -> None:
        super().__init__(sizes)
        self.components, self.iterations = components, iterations
        size = self.features + self.condition
        self.register_buffer("weights", torch.ones(components, dtype=torch.float64) / components)
        self.register_buffer("means", torch.zeros(components, size, dtype=torch.float64))
        identity = torch.eye(size, dtype=torch.float64).repeat(components, 1, 1)
        self.register_buffer("covariances", identity)

    def fit_values(self, values: Array, weight: Array, seed: int, threads: int) -> None:
        """Set weights, means and covariances.

        Raises DataError if there are fewer events than components.
        """
        from sklearn import mixture  # which takes half a second

        if len(values) < self.components:
            raise DataError(
                f"method 'gaussian_mixture' has {self.components} components, and the training set "
                f"{len(values)} events; lower 'components'"
            )
        found = mixture.GaussianMixture(
            self.components, max_iter=self.iterations, reg_covar=LEAST, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of 'iterations', which bound the time
            found.fit(resample(values, weight, seed))
        self.weights.copy_(torch.from_numpy(np.asarray(found.weights_)))
        self.means.copy_(torch.from_numpy(np.asarray(found.means_)))
        self.covariances.copy_(torch.from_numpy(np.asarray(found.covariances_)))

    def distribution(self, condition: Tensor | None = None) -> Distribution:
        """Return p(x), or p(x | c) of each event for a condition (batch, condition).

            p(x | c) = Σ_k w_k(c) N(x; μ_x + Σ_xc Σ_cc⁻¹ (c − μ_c), Σ_xx − Σ_xc Σ_cc⁻¹ Σ_cx),

        with w_k(c) ∝ w_k N(c; μ_c, Σ_cc).
        """
        n = self.features
        if condition is None:
            components = MultivariateNormal(self.means, self.covariances)
            return MixtureSameFamily(Categorical(self.weights), components)
        c = condition.double()[:, None]  # (batch, 1, condition)
        of_x, of_c = self.means[:, :n], self.means[:, n:]
        xx, xc, cc = (
            self.covariances[:, :n, :n], self.covariances[:, :n, n:], self.covariances[:, n:, n:],
        )  # fmt: skip
        gain = torch.linalg.solve(cc, xc.mT).mT  # (component, feature, condition)
        means = of_x + torch.einsum("kxc,bkc->bkx", gain, c - of_c)
        of_condition = MultivariateNormal(of_c, cc).log_prob(c)  # type: ignore[no-untyped-call]
        logits = self.weights.log() + of_condition
        factor = torch.linalg.cholesky(xx - gain @ xc.mT).expand(len(c), -1, -1, -1)
        components = MultivariateNormal(means, scale_tril=factor)
        return MixtureSameFamily(Categorical(logits=logits), components)

    def log_prob(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the log density of each event in the units of the normalised tensors, (batch,)."""
        density = self.distribution(inputs[CONDITION] if self.condition else None)
        found: Tensor = density.log_prob(inputs[self.tensor].flatten(1).double())
        return found.float()

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return −log p of each event, (batch,)."""
        return {"negative_log_likelihood": -self.log_prob(inputs)}

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return −log p of independent Gaussians, (batch,)."""
        return gaussian_losses(inputs[self.tensor].flatten(1))

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return anomaly score −log p and log p of each event, (batch,) each."""
        found = self.log_prob(inputs)
        return {ANOMALY_SCORE: -found, LOG_LIKELIHOOD: found}

    def generate(self, count: int, condition: Tensor | None) -> Tensor:
        """Return normalised events, (count, *shape), of the conditions (count, condition)."""
        density = self.distribution(condition)
        sample = density.sample((count,) if condition is None else ())
        return torch.as_tensor(sample).float().view(count, *self.shape)
