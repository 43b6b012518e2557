"""Figures of merit, each with its statistical error, one to a file."""

from bunchtrain.evaluation.metrics.accuracy import accuracy
from bunchtrain.evaluation.metrics.auc import auc
from bunchtrain.evaluation.metrics.background_rejection import background_rejection
from bunchtrain.evaluation.metrics.bias import bias
from bunchtrain.evaluation.metrics.calibration import Calibration, calibration
from bunchtrain.evaluation.metrics.confusion_matrix import confusion_matrix
from bunchtrain.evaluation.metrics.coverage import coverage, gaussian_interval, log_likelihood
from bunchtrain.evaluation.metrics.discriminant import discriminant
from bunchtrain.evaluation.metrics.efficiency import binned_efficiency, efficiency
from bunchtrain.evaluation.metrics.figure import Figure
from bunchtrain.evaluation.metrics.jensen_shannon import inverse_jensen_shannon, jensen_shannon
from bunchtrain.evaluation.metrics.linearity import linearity, profile
from bunchtrain.evaluation.metrics.log_loss import log_loss
from bunchtrain.evaluation.metrics.pull import pull, pull_mean, pull_width
from bunchtrain.evaluation.metrics.quantile import quantile
from bunchtrain.evaluation.metrics.resolution import half_width, standard_deviation
from bunchtrain.evaluation.metrics.roc import Roc, roc
from bunchtrain.evaluation.metrics.signal_efficiency import signal_efficiency
from bunchtrain.evaluation.metrics.significance import BestCut, asimov, best_cut

__all__ = [
    "BestCut",
    "Calibration",
    "Figure",
    "Roc",
    "accuracy",
    "asimov",
    "auc",
    "background_rejection",
    "best_cut",
    "bias",
    "binned_efficiency",
    "calibration",
    "confusion_matrix",
    "coverage",
    "discriminant",
    "efficiency",
    "gaussian_interval",
    "half_width",
    "inverse_jensen_shannon",
    "jensen_shannon",
    "linearity",
    "log_likelihood",
    "log_loss",
    "profile",
    "pull",
    "pull_mean",
    "pull_width",
    "quantile",
    "roc",
    "signal_efficiency",
    "standard_deviation",
]
