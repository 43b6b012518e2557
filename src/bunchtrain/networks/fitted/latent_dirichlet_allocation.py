"""Latent Dirichlet allocation: two topics found in jets without their labels.

A jet is a bag of words w, as the bins of its splittings in the Lund plane. The model of how it
comes about (Blei, Ng and Jordan 2003) is

    topics β_t ~ Dirichlet(η),   the jet's shares of them θ ~ Dirichlet(α),
    each word: a topic t ~ θ, then w ~ β_t

With α far below 1 most jets are of one topic. Variational inference by scikit-learn
(arXiv:1201.0490) finds β. What is learned of a jet with n_w words is the likelihood ratio of the
two topics (arXiv:1904.04200),

    r = Σ_w n_w log(β_1w / β_2w),

which is linear. Labels say afterwards which topic is which class, and nothing else: the sign is
that which gives the second class the larger mean on the training set. So that softmax of the
outputs does not run into 1, r is counted from its mean over the training jets in units of its
deviation; the scores are no probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.decomposition import LatentDirichletAllocation as Inference

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.networks.layers.fitted import FittedLinear, part_name
from bunchtrain.networks.layers.trees import History, Sample, training_sample

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss


class LatentDirichletAllocation(FittedLinear):
    """Latent Dirichlet allocation of two topics, without labels (arXiv:1904.04200).

    Needs all training events in memory. Their weights count in the sign and the units alone.

    Args:
        table: Number of words.
        outputs: Number of outputs, of two classes.
        alpha: Concentration of a jet's shares of the topics.
        eta: Concentration of a topic's shares of the words.
        iterations: Passes over the training set.
        updates: Steps of the inference of one jet at most in each pass.
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
        alpha: float = 0.01,
        eta: float = 0.5,
        iterations: int = 40,
        updates: int = 10,
    ) -> None:
        super().__init__(table, outputs)
        self.alpha, self.eta = alpha, eta
        self.iterations, self.updates = iterations, updates

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        objective: Loss,
        *,
        seed: int,
        threads: int,
    ) -> History:
        """Find the topics; return the losses.

        Raises StudyError for more or fewer than two classes and for features that are no counts,
        and DataError without training events.
        """
        self.check(objective)
        if len(objective.target.classes) != 2:
            raise StudyError(
                f"model '{part_name(self)}' has two topics, and target '{objective.target.name}' "
                f"{len(objective.target.classes)} classes; give a target of two"
            )
        jets = training_sample(training, objective)
        if jets.table.min() < 0:
            raise DataError(
                f"model '{part_name(self)}' needs counts, and a feature is negative; use a "
                "representation that counts, as 'lund_words', without normalisation"
            )
        self._set(self._ratio(jets, seed), jets)
        return [self.losses(objective, training, validation)]

    def _ratio(self, jets: Sample, seed: int) -> NDArray[np.float64]:
        """Return log(β_1w / β_2w) of each word."""
        inference = Inference(
            n_components=2,
            doc_topic_prior=self.alpha,
            topic_word_prior=self.eta,
            learning_method="batch",
            max_iter=self.iterations,
            max_doc_update_iter=self.updates,
            random_state=seed,
        )
        topics = inference.fit(csr_matrix(jets.table.astype(np.float64))).components_
        first, second = topics / topics.sum(1, keepdims=True)
        return np.asarray(np.log(first / second))

    def _set(self, ratio: NDArray[np.float64], jets: Sample) -> None:
        r = jets.table @ ratio
        mean = np.average(r, weights=jets.weight)
        deviation = np.sqrt(np.average((r - mean) ** 2, weights=jets.weight)) or 1.0
        is_second = jets.target == 1
        apart = np.average(r[is_second], weights=jets.weight[is_second]) - mean
        scale = np.copysign(1 / deviation, apart)
        share = np.array([1.0]) if self.outputs == 1 else np.array([-0.5, 0.5])
        weight, bias = share[:, None] * scale * ratio, -share * scale * mean
        self.take(torch.from_numpy(weight), torch.from_numpy(bias))
