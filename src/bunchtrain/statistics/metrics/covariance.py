"""Metrics of values predicted together with their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.sample import Floats


@dataclass(frozen=True)
class PredictedGaussian:
    """Residuals y − μ of d values of n rows, with their predicted covariances.

    residual    (n, d).
    covariance  (n, d, d).

    Raises DataError, naming the first row, for a covariance that is not positive definite.
    """

    residual: Floats
    covariance: Floats

    def __post_init__(self) -> None:
        wrong = ~np.isfinite(self.residual).all(1) | ~(np.linalg.eigvalsh(self._finite) > 0).all(1)
        if wrong.any():
            raise DataError(
                f"the predicted covariance of row {int(np.argmax(wrong))} is not positive "
                "definite, or its residual not finite; leave such rows out"
            )

    @property
    def _finite(self) -> Floats:
        """The covariances, −1 instead of those that are not finite."""
        is_finite = np.asarray(np.isfinite(self.covariance).all((1, 2)))
        return np.where(
            is_finite[:, None, None], self.covariance, -np.eye(self.covariance.shape[1])
        )

    @classmethod
    def of(cls, residual: Floats, sigma: Floats, correlation: Floats) -> PredictedGaussian:
        """Return it from σ (n, d) and correlations of values (1, 0), (2, 0), (2, 1), and so on."""
        count = residual.shape[1]
        matrix = np.tile(np.eye(count), (len(residual), 1, 1))
        row, column = np.tril_indices(count, -1)
        matrix[:, row, column] = matrix[:, column, row] = correlation
        return cls(residual, matrix * sigma[:, :, None] * sigma[:, None, :])

    @property
    def pulls(self) -> Floats:
        """Residuals over their σ, (n, d)."""
        sigma = np.sqrt(np.einsum("nii->ni", self.covariance))
        return np.asarray(self.residual / sigma)

    @property
    def distances(self) -> Floats:
        """(y − μ)ᵀ Σ⁻¹ (y − μ), (n,), of mean d."""
        solved = np.linalg.solve(self.covariance, self.residual[..., None])[..., 0]
        return np.asarray((self.residual * solved).sum(1))

    @property
    def log_likelihoods(self) -> Floats:
        """−½ [d log 2π + log det Σ + (y − μ)ᵀ Σ⁻¹ (y − μ)], (n,)."""
        count = self.residual.shape[1]
        logs = np.linalg.slogdet(self.covariance)[1]
        return np.asarray(-0.5 * (count * np.log(2 * np.pi) + logs + self.distances))

    def inside(self, level: float) -> NDArray[np.bool_]:
        """Return whether y is in the ellipsoid of this probability, (n,)."""
        return np.asarray(self.distances <= chi2.ppf(level, self.residual.shape[1]))
