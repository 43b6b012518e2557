"""Kullback–Leibler divergence of a column's spectra (Ann. Math. Statist. 22 (1951) 79).

L = Σ_b p_b ln(p_b/q_b) with p_b ∝ Σ_{i in b} w_i f_i, the spectrum of the column among events
weighted with their score f, and q_b ∝ Σ_{i in b} w_i (1 − f_i).
"""

from __future__ import annotations

from torch import Tensor

from bunchtrain.penalties._spectra import Divergence, relative_entropy


class KullbackLeibler(Divergence):
    """Kullback–Leibler divergence of the spectra of signal-like and background-like events.

    against  column of which the score is to be independent.
    bins     of the column: a count of bins of equal weight, or their edges.
    alone    training steps at the beginning without a gradient for the classifier.
    ramp     steps after these in which the gradient's strength increases to 1.
    classes  in each of which it is to be independent; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def divergence(self, passing: Tensor, failing: Tensor) -> Tensor:
        """Return KL(passing‖failing) in nats."""
        return relative_entropy(passing, failing)
