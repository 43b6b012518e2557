"""Measuring a network on the test set: what the run and the command call."""

from bunchtrain.evaluation.classification import class_index, measure_classification, signal_roc
from bunchtrain.evaluation.metrics.figure import Figure, Metrics, figures
from bunchtrain.evaluation.regression import measure_regression

__all__ = [
    "Figure",
    "Metrics",
    "class_index",
    "figures",
    "measure_classification",
    "measure_regression",
    "signal_roc",
]
