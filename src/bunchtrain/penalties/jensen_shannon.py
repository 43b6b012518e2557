"""Jensen–Shannon divergence of a column's spectra (IEEE Trans. Inf. Theory 37 (1991) 145).

L = ½ KL(p‖m) + ½ KL(q‖m) with m = (p + q)/2, p_b ∝ Σ_{i in b} w_i f_i, the spectrum of the column
among events weighted with their score f, and q_b ∝ Σ_{i in b} w_i (1 − f_i).
"""

from __future__ import annotations

from torch import Tensor

from bunchtrain.penalties._spectra import Divergence, relative_entropy


class JensenShannon(Divergence):
    """Jensen–Shannon divergence of the spectra of signal-like and background-like events.

    against  column of which the score is to be independent.
    bins     of the column: a count of bins of equal weight, or their edges.
    alone    training steps at the beginning without a gradient for the classifier.
    ramp     steps after these in which the gradient's strength increases to 1.
    classes  in each of which it is to be independent; all events together if unset.
    score    class whose probability is the score, the last one if unset.
    """

    def divergence(self, passing: Tensor, failing: Tensor) -> Tensor:
        """Return the divergence in nats, between 0 and ln 2."""
        middle = (passing + failing) / 2
        return (relative_entropy(passing, middle) + relative_entropy(failing, middle)) / 2
