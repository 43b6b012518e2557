"""Ensembles of classifiers: the mean of their probabilities, or a trained combination.

The ensemble of all taggers of a comparison is the GoaT of arXiv:1902.09914.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

Scores: TypeAlias = "Sequence[NDArray[Any]]"

#: Smallest probability whose logarithm is taken; smaller ones are 0 within single precision.
SMALLEST = 1e-12


def mean_probability(scores: Scores) -> NDArray[np.float64]:
    """Return p_k = Σ_m p_mk / M, (events, classes), of M models' probabilities of that shape."""
    average: NDArray[np.float64] = np.mean(np.asarray(scores, np.float64), axis=0)
    return average


@dataclass(frozen=True)
class Combination:
    """A logistic regression on the models' logits: p = softmax(A x + b).

    x_mk = log p_mk − log p_m0 for the models m and the classes k > 0; A is (classes, models ×
    (classes − 1)), and b (classes,).
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    def __call__(self, scores: Scores) -> NDArray[np.float64]:
        """Return the probabilities (events, classes) of the combination."""
        combined: NDArray[np.float64] = softmax(logits(scores) @ self.matrix.T + self.offset, 1)
        return combined

    def as_dict(self) -> dict[str, Any]:
        """Return the combination for JSON."""
        return {"matrix": self.matrix.tolist(), "offset": self.offset.tolist()}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Combination:
        """Return the combination from `as_dict`."""
        return cls(np.array(entry["matrix"]), np.array(entry["offset"]))


def logits(scores: Scores) -> NDArray[np.float64]:
    """Return log p_mk − log p_m0 of the models m and the classes k > 0, (events, features)."""
    logs = [np.log(np.maximum(np.asarray(p, np.float64), SMALLEST)) for p in scores]
    return np.concatenate([log[:, 1:] - log[:, :1] for log in logs], axis=1)


def fit_combination(
    scores: Scores, truth: NDArray[Any], weights: NDArray[Any] | None = None
) -> Combination:
    """Return the combination of least cross-entropy, with a weak L2 penalty.

    scores   Of each model, (events, classes) probabilities of events that none was fitted on.
    truth    (events,) index of the true class.
    weights  (events,) or None for equal weights.
    """
    from sklearn.linear_model import LogisticRegression

    inputs = logits(scores)
    shift, scale = inputs.mean(0), inputs.std(0)
    scale[scale == 0] = 1.0
    fitted = LogisticRegression(max_iter=2000).fit((inputs - shift) / scale, truth, weights)
    matrix, offset = fitted.coef_ / scale, fitted.intercept_
    if len(matrix) == 1:  # two classes: scikit-learn returns the row of the second only
        matrix, offset = np.vstack([0 * matrix, matrix]), np.array([0.0, *offset])
    return Combination(matrix, offset - matrix @ shift)
