"""Transformations of a finished score that take its dependence on a column away.

They are fitted on background after the training and act on columns of predictions alone, so that
they belong to the evaluation and serve any model, trees included.
"""

from bunchtrain.statistics.decorrelation.ddt import Ddt
from bunchtrain.statistics.decorrelation.quantile_regression import QuantileRegression

__all__ = ["Ddt", "QuantileRegression"]
