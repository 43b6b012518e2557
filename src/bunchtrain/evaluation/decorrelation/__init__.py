"""Transformations of a finished score that take its dependence on a column away.

They are fitted on background after the training and act on columns of predictions alone, so that
they belong to the evaluation and serve any model, trees included.
"""

from bunchtrain.evaluation.decorrelation.ddt import Ddt
from bunchtrain.evaluation.decorrelation.quantile_regression import QuantileRegression

__all__ = ["Ddt", "QuantileRegression"]
