"""Latent Dirichlet allocation: two topics of jets, learned without labels.

A jet is a bag of words w, such as the bins of its splittings in the Lund plane. The generative
model (Blei, Ng and Jordan 2003) is

    topics β_t ~ Dirichlet(η),   topic proportions of a jet θ ~ Dirichlet(α),
    each word: a topic t ~ θ, then w ~ β_t

With α far below 1 most jets have one topic. Variational inference by scikit-learn
(arXiv:1201.0490) determines β. The discriminant of a jet with n_w words is the likelihood ratio of
the two topics (arXiv:1904.04200),

    r = Σ_w n_w log(β_1w / β_2w),

which is linear. Labels only assign the topics to the classes: the sign is chosen such that the
second class has the larger mean on the training set. r is standardised on the training jets, so
that softmax of the outputs does not saturate; the scores are not probabilities.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import (
    Batches,
    History,
    LinearFitModel,
    Sample,
    load_training_sample,
    part_name,
)
from bunchtrain.parts.ranges import Positive, Steps


class LatentDirichletAllocation(LinearFitModel):
    """Latent Dirichlet allocation of two topics, without labels (arXiv:1904.04200).

    Needs all training events in memory. Weights affect the sign and the standardisation only.

    table       Number of words.
    outputs     Number of outputs, of two classes.
    alpha       Concentration of the topic proportions of a jet.
    eta         Concentration of the word proportions of a topic.
    iterations  Passes over the training set.
    updates     Maximum number of inference steps of a jet in each pass.
    """

    def __init__(
        self,
        table: int,
        outputs: int,
        *,
        alpha: Positive = 0.01,
        eta: Positive = 0.5,
        iterations: Steps = 40,
        updates: Steps = 10,
    ) -> None:
        super().__init__(table, outputs)
        self.alpha, self.eta = alpha, eta
        self.iterations, self.updates = iterations, updates

    def fit(
        self, training: Batches, validation: Batches, loss: Head, *, seed: int, threads: int
    ) -> History:
        """Infer the topics; return the losses.

        Raises StudyError for a number of classes other than two, and DataError for negative
        features and without training events.
        """
        self.check_loss(loss)
        jets = load_training_sample(training, loss)
        if jets.table.min() < 0:
            raise DataError(
                f"model '{part_name(self)}' needs counts, and a feature is negative; use a "
                "representation of counts, e.g. 'lund_plane_counts', without normalisation"
            )
        self._set_discriminant(self._log_ratio(jets, seed), jets)
        return [self.mean_losses(loss, training, validation)]

    def check_loss(self, loss: Head) -> None:
        """Raise StudyError if the model cannot fit this loss, or does not have two classes."""
        super().check_loss(loss)
        if len(loss.target.classes) != 2:
            raise StudyError(
                f"model '{part_name(self)}' has two topics, and target '{loss.target.name}' has "
                f"{len(loss.target.classes)} classes; use a target of two classes"
            )

    def _log_ratio(self, jets: Sample, seed: int) -> NDArray[np.float64]:
        """Return log(β_1w / β_2w) of each word."""
        from scipy.sparse import csr_matrix
        from sklearn.decomposition import LatentDirichletAllocation as Inference

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

    def _set_discriminant(self, ratio: NDArray[np.float64], jets: Sample) -> None:
        r = jets.table @ ratio
        mean = np.average(r, weights=jets.weight)
        std = np.sqrt(np.average((r - mean) ** 2, weights=jets.weight)) or 1.0
        is_second = jets.target == 1
        difference = np.average(r[is_second], weights=jets.weight[is_second]) - mean
        scale = np.copysign(1 / std, difference)
        share = np.array([1.0]) if self.outputs == 1 else np.array([-0.5, 0.5])
        weight, bias = share[:, None] * scale * ratio, -share * scale * mean
        self.set_parameters(weight, bias)
