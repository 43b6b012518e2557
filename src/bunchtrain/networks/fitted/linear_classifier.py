"""Linear classifier: Fisher's discriminant or logistic regression.

f_k(x) = w_k · x + b_k for each class k, whose softmax is the probability. Fisher's discriminant
(Annals of Eugenics 7, 179 (1936)) has

    w_k = S⁻¹ μ_k,    b_k = −½ μ_k · w_k + log π_k

with the mean μ_k and the fraction π_k of the classes and S the within-class covariance: exact where
both are Gaussian. S is inverted in the principal directions of the standardised features whose
standard deviation exceeds a tolerance, since the 999 Energy Flow Polynomials to degree 7 are nearly
dependent. It needs the sums of one pass only. Logistic regression, by scikit-learn
(arXiv:1201.0490), minimises the cross-entropy with a penalty on |w|² and needs all training events
in memory.

All IRC-safe observables are linear in the Energy Flow Polynomials, so that a linear classifier on
them is an interpretable tagger (arXiv:1712.07124).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import (
    Batches,
    History,
    LinearFitModel,
    check_all_classes,
    iterate_samples,
    load_training_sample,
)
from bunchtrain.parts.ranges import NonNegative, Positive, Steps

Array = NDArray[Any]


class LinearClassifier(LinearFitModel):
    """Fisher's discriminant or logistic regression, e.g. on polynomials (arXiv:1712.07124).

    table       Number of features.
    outputs     Number of outputs.
    method      Fisher's discriminant (fisher) or logistic regression (logistic).
    tolerance   Fisher's: minimum standard deviation of a principal direction of the standardised
                features.
    l2          Logistic: penalty ½ λ |w|² added to the sum of the losses.
    iterations  Logistic: maximum number of steps of the minimisation.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        method: Literal["fisher", "logistic"] = "fisher",
        tolerance: NonNegative = 1e-4,
        l2: Positive = 1.0,
        iterations: Steps = 1000,
    ) -> None:
        super().__init__(table, outputs)
        self.method, self.tolerance = method, tolerance
        self.l2, self.iterations = l2, iterations

    def fit(
        self, training: Batches, validation: Batches, loss: Head, *, seed: int, threads: int
    ) -> History:
        """Fit the map; return the losses.

        Raises StudyError for unsupported losses or weights, and DataError without training events
        of each class.
        """
        self.check_loss(loss)
        fit = self._fit_fisher if self.method == "fisher" else self._fit_logistic
        weight, bias = fit(training, loss)
        if self.outputs == 1:  # the logit of the second class
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        self.set_parameters(weight, bias)
        return [self.mean_losses(loss, training, validation)]

    def _fit_fisher(self, training: Batches, loss: Head) -> tuple[Array, Array]:
        total, mean, within = _moments(training, loss, self.features)
        std = np.sqrt(np.diag(within))
        std[std == 0] = 1
        variance, axes = np.linalg.eigh(within / np.outer(std, std))
        used = variance > self.tolerance**2
        whitening = axes[:, used] / np.sqrt(variance[used]) / std[:, None]
        weight = mean @ whitening @ whitening.T  # (class, feature)
        return weight, -0.5 * (weight * mean).sum(1) + np.log(total / total.sum())

    def _fit_logistic(self, training: Batches, loss: Head) -> tuple[Array, Array]:
        from sklearn.linear_model import LogisticRegression

        events = load_training_sample(training, loss)
        fit = LogisticRegression(C=1 / self.l2, max_iter=self.iterations)
        fit.fit(events.table.astype(np.float64), events.target, events.weight)
        if len(fit.coef_) > 1:
            return fit.coef_, fit.intercept_
        halves = np.array([[-0.5], [0.5]])
        return halves * fit.coef_, halves[:, 0] * fit.intercept_


def _moments(training: Batches, loss: Head, features: int) -> tuple[Array, Array, Array]:
    """Return sums of weights (class,), means (class, feature), within-class covariance.

    Raises DataError if a class has no events.
    """
    classes = len(loss.target.classes)
    weights, total = np.zeros(classes), np.zeros((classes, features))
    square = np.zeros((features, features))
    found: set[int] = set()
    for sample in iterate_samples(training, loss):
        table, weight = sample.table.astype(np.float64), sample.weight.astype(np.float64)
        membership = (sample.target == np.arange(classes)[:, None]) * weight  # (class, event)
        weights, total = weights + membership.sum(1), total + membership @ table
        square += (table * weight[:, None]).T @ table
        found |= set(np.unique(sample.target).tolist())
    if not found:
        raise DataError("the training set has no events; loosen 'select' or change 'split'")
    check_all_classes(loss, found)
    mean = total / weights[:, None]
    return weights, mean, (square - (weights[:, None] * mean).T @ mean) / weights.sum()
