"""Metrics, each a measurement with its statistical error."""

from bunchtrain.statistics.metrics.calibration import Calibration, calibration
from bunchtrain.statistics.metrics.classification import accuracy, confusion_matrix, log_loss
from bunchtrain.statistics.metrics.efficiency import BinnedEfficiency, binned_efficiency, efficiency
from bunchtrain.statistics.metrics.jensen_shannon import inverse_jensen_shannon, jensen_shannon
from bunchtrain.statistics.metrics.measurement import (
    Measurement,
    Metrics,
    average_seeds,
    measurements,
)
from bunchtrain.statistics.metrics.regression import (
    LEVELS,
    Profile,
    bias,
    coverage,
    gaussian_interval,
    linearity,
    log_likelihood,
    profile,
    pull,
    pull_mean,
    pull_width,
)
from bunchtrain.statistics.metrics.roc import (
    Roc,
    auc,
    background_rejection,
    discriminant,
    macro_auc,
    rejection,
    roc,
    signal_efficiency,
)
from bunchtrain.statistics.metrics.sample import (
    Floats,
    as_weights,
    binned_mean,
    effective_count,
    half_width,
    mean,
    quantile,
    repeated_mean,
    standard_deviation,
    width_ratio,
)
from bunchtrain.statistics.metrics.significance import (
    MEASURES,
    BestCut,
    asimov,
    best_cut,
    excess_significance,
)

__all__ = [
    "LEVELS", "MEASURES", "BestCut", "BinnedEfficiency", "Calibration", "Floats", "Measurement",
    "Metrics", "Profile", "Roc", "accuracy", "as_weights", "asimov", "auc", "average_seeds",
    "background_rejection", "best_cut", "bias", "binned_efficiency", "binned_mean", "calibration",
    "confusion_matrix", "coverage", "discriminant", "effective_count", "efficiency",
    "excess_significance", "gaussian_interval", "half_width", "inverse_jensen_shannon",
    "jensen_shannon", "linearity",
    "log_likelihood", "log_loss", "macro_auc", "mean", "measurements", "profile", "pull",
    "pull_mean", "pull_width", "quantile", "rejection", "repeated_mean", "roc",
    "signal_efficiency", "standard_deviation", "width_ratio",
]  # fmt: skip
