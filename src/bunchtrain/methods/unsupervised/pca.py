"""Principal components: the linear baseline of an autoencoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from bunchtrain.errors import StudyError
from bunchtrain.methods.unsupervised._fit_method import Array, FitMethod
from bunchtrain.representations._representation import Size
from bunchtrain.targets import Quantity
from bunchtrain.targets.quantity import ANOMALY_SCORE

#: Values of an event of which the covariance is made.
LIMIT = 10_000


class Pca(FitMethod):
    """Reconstruct x from its principal components (Pearson, Phil. Mag. 2, 559, 1901).

    The anomaly score |x − μ − VᵀV (x − μ)|² / n is the smallest that a linear autoencoder can have
    with this number of latent variables.

    components  number of eigenvectors V of the covariance, those of the largest eigenvalues λ.
    score       `residual`, the error above, or `hotelling`, T²/n = Σ (V (x − μ))²/λ / n over the n
                components (Hotelling 1931), for deviations along the components.
    """

    quantities = (ANOMALY_SCORE,)
    takes_condition = False

    mean: Tensor  # (value,)
    vectors: Tensor  # (component, value)
    variances: Tensor  # (component,)

    def __init__(
        self,
        sizes: Mapping[str, Size],
        *,
        components: Annotated[int, Field(ge=1, le=10_000)] = 6,
        score: Literal["residual", "hotelling"] = "residual",
    ) -> None:
        super().__init__(sizes)
        self.score = score
        if components >= self.features or self.features > LIMIT:
            raise StudyError(
                f"method 'pca' needs fewer components than the {self.features:,} values of an "
                f"event, which may be {LIMIT:,} at most, and 'components' is {components:,}"
            )
        self.register_buffer("mean", torch.zeros(self.features))
        self.register_buffer("vectors", torch.zeros(components, self.features))
        if score == "hotelling":
            self.register_buffer("variances", torch.ones(components))

    def fit_values(self, values: Array, weight: Array, seed: int, threads: int) -> None:
        """Set mean and eigenvectors."""
        mean = np.average(values, axis=0, weights=weight)
        scaled = (values - mean) * np.sqrt(weight / weight.sum())[:, None]
        # in the order of rising eigenvalues
        variances, vectors = np.linalg.eigh(scaled.T @ scaled)
        chosen = vectors[:, ::-1][:, : len(self.vectors)].T
        self.mean.copy_(torch.from_numpy(mean))
        self.vectors.copy_(torch.from_numpy(chosen.copy()))
        if self.score == "hotelling":
            largest = np.maximum(variances[::-1][: len(chosen)], 1e-9 * variances[-1])
            self.variances.copy_(torch.from_numpy(largest))

    def losses(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean squared error of each event, (batch,)."""
        centred = inputs[self.tensor].flatten(1) - self.mean
        rest = centred - (centred @ self.vectors.T) @ self.vectors
        return {"reconstruction": rest.square().mean(1)}

    def constant_losses(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Return the mean squared difference from the mean event, (batch,)."""
        values = inputs[self.tensor].flatten(1)
        return (values - values.mean(0)).square().mean(1)

    def predict(self, inputs: Mapping[str, Tensor]) -> dict[Quantity, Tensor]:
        """Return the anomaly score of each event, (batch,)."""
        if self.score == "residual":
            return {ANOMALY_SCORE: self.losses(inputs)["reconstruction"]}
        components = (inputs[self.tensor].flatten(1) - self.mean) @ self.vectors.T
        return {ANOMALY_SCORE: (components.square() / self.variances).mean(1)}
