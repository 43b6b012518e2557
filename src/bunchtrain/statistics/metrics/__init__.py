"""Figures of merit, each with its statistical error, one to a file."""

from bunchtrain.statistics.metrics.accuracy import accuracy
from bunchtrain.statistics.metrics.auc import auc
from bunchtrain.statistics.metrics.background_rejection import background_rejection
from bunchtrain.statistics.metrics.bias import bias
from bunchtrain.statistics.metrics.calibration import Calibration, calibration
from bunchtrain.statistics.metrics.confusion_matrix import confusion_matrix
from bunchtrain.statistics.metrics.coverage import coverage, gaussian_interval, log_likelihood
from bunchtrain.statistics.metrics.discriminant import discriminant
from bunchtrain.statistics.metrics.efficiency import binned_efficiency, efficiency
from bunchtrain.statistics.metrics.jensen_shannon import inverse_jensen_shannon, jensen_shannon
from bunchtrain.statistics.metrics.linearity import linearity, profile
from bunchtrain.statistics.metrics.log_loss import log_loss
from bunchtrain.statistics.metrics.measurement import Measurement
from bunchtrain.statistics.metrics.pull import pull, pull_mean, pull_width
from bunchtrain.statistics.metrics.quantile import quantile
from bunchtrain.statistics.metrics.resolution import half_width, standard_deviation
from bunchtrain.statistics.metrics.roc import Roc, roc
from bunchtrain.statistics.metrics.signal_efficiency import signal_efficiency
from bunchtrain.statistics.metrics.significance import BestCut, asimov, best_cut

__all__ = [
    "BestCut",
    "Calibration",
    "Measurement",
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
