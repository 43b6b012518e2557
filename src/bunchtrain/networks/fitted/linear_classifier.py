"""Linear classifier, Fisher's discriminant or logistic regression, as on Energy Flow Polynomials.

f_k(x) = w_k · x + b_k of each class k, so that softmax gives the probabilities. Fisher's
discriminant (Annals of Eugenics 7, 179 (1936)) has

    w_k = S⁻¹ μ_k,    b_k = −½ μ_k · w_k + log π_k

with the mean μ_k and the share π_k of the classes and S the covariance within them: exact where
both are Gaussian. S is inverted where the features, in units of their deviations, vary by more than
a tolerance, since the 999 Energy Flow Polynomials to degree 7 are nearly dependent. It needs the
sums of one pass only. Logistic regression, by scikit-learn (arXiv:1201.0490), minimises the
cross-entropy with a penalty on |w|² and needs all training events in memory.

All infrared-collinear safe observables are linear in the polynomials, so that a linear classifier
on them is a tagger with nothing hidden (arXiv:1712.07124).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError
from bunchtrain.networks.layers.fitted import FittedLinear
from bunchtrain.networks.layers.trees import (
    History,
    need_all_classes,
    samples,
    training_sample,
)

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss

Array = NDArray[Any]


class LinearClassifier(FittedLinear):
    """Fisher's discriminant or logistic regression, as on polynomials (arXiv:1712.07124).

    Args:
        table: Number of features.
        outputs: Number of outputs.
        method: Fisher's discriminant (fisher) or logistic regression (logistic).
        tolerance: Fisher's: smallest deviation of a direction that counts, where each feature
            has 1.
        l2: Logistic: penalty ½ λ |w|² beside the sum of the losses.
        iterations: Logistic: steps of the minimisation at most.
    """

    objectives: ClassVar[Mapping[str, str]] = {
        "cross_entropy": "log_loss",
        "binary_cross_entropy": "log_loss",
    }

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        method: Literal["fisher", "logistic"] = "fisher",
        tolerance: float = 1e-4,
        l2: float = 1.0,
        iterations: int = 1000,
    ) -> None:
        super().__init__(table, outputs)
        self.method, self.tolerance = method, tolerance
        self.l2, self.iterations = l2, iterations

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        objective: Loss,
        *,
        seed: int,
        threads: int,
    ) -> History:
        """Fit the map; return the losses.

        Raises StudyError for an objective or weights that it cannot do, and DataError without
        training events of each class.
        """
        self.check(objective)
        fitted = self._fisher if self.method == "fisher" else self._logistic
        weight, bias = fitted(training, objective)
        if self.outputs == 1:  # the logit of the second class
            weight, bias = weight[1:] - weight[:1], bias[1:] - bias[:1]
        self.take(torch.from_numpy(weight), torch.from_numpy(bias))
        return [self.losses(objective, training, validation)]

    def _fisher(self, training: Iterable[Batch], objective: Loss) -> tuple[Array, Array]:
        number, mean, within = _moments(training, objective, self.features)
        deviation = np.sqrt(np.diag(within))
        deviation[deviation == 0] = 1
        variance, axes = np.linalg.eigh(within / np.outer(deviation, deviation))
        kept = variance > self.tolerance**2
        whitening = axes[:, kept] / np.sqrt(variance[kept]) / deviation[:, None]
        weight = mean @ whitening @ whitening.T  # (class, feature)
        share = number / number.sum()
        return weight, -0.5 * (weight * mean).sum(1) + np.log(share)

    def _logistic(self, training: Iterable[Batch], objective: Loss) -> tuple[Array, Array]:
        events = training_sample(training, objective)
        fit = LogisticRegression(C=1 / self.l2, max_iter=self.iterations)
        fit.fit(events.table.astype(np.float64), events.target, events.weight)
        if len(fit.coef_) > 1:
            return fit.coef_, fit.intercept_
        halves = np.array([[-0.5], [0.5]])
        return halves * fit.coef_, halves[:, 0] * fit.intercept_


def _moments(
    training: Iterable[Batch], objective: Loss, features: int
) -> tuple[Array, Array, Array]:
    """Return sum of weights (class,), mean (class, feature), covariance within (feature, feature).

    Raises DataError if a class has no events.
    """
    classes = len(objective.target.classes)
    number, total = np.zeros(classes), np.zeros((classes, features))
    square = np.zeros((features, features))
    seen: set[int] = set()
    for sample in samples(training, objective):
        table, weight = sample.table.astype(np.float64), sample.weight.astype(np.float64)
        member = (sample.target == np.arange(classes)[:, None]) * weight  # (class, event)
        number, total = number + member.sum(1), total + member @ table
        square += (table * weight[:, None]).T @ table
        seen |= set(np.unique(sample.target).tolist())
    if not seen:
        raise DataError("the training set has no events; loosen 'select' or change 'split'")
    need_all_classes(objective, seen)
    mean = total / number[:, None]
    return number, mean, (square - (number[:, None] * mean).T @ mean) / number.sum()
