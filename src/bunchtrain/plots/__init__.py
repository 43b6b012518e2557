"""Plots in the style of the field; each function gives a matplotlib figure, without pyplot."""

from bunchtrain.plots.against import plot_against
from bunchtrain.plots.calibration import plot_calibration
from bunchtrain.plots.confusion_matrix import plot_confusion
from bunchtrain.plots.correlation import plot_correlation
from bunchtrain.plots.coverage import plot_coverage
from bunchtrain.plots.decorrelation import Decorrelated, plot_decorrelation
from bunchtrain.plots.deviation import plot_deviation
from bunchtrain.plots.efficiency import plot_efficiency
from bunchtrain.plots.images import plot_images
from bunchtrain.plots.importance import plot_importance
from bunchtrain.plots.inputs import plot_inputs
from bunchtrain.plots.profile import plot_profile
from bunchtrain.plots.ranking import plot_ranking
from bunchtrain.plots.regression import (
    plot_linearity,
    plot_pull,
    plot_resolution,
    plot_response,
)
from bunchtrain.plots.responses import plot_responses
from bunchtrain.plots.roc import PublishedPoint, plot_roc
from bunchtrain.plots.scores import plot_scores
from bunchtrain.plots.spectrum import plot_spectra
from bunchtrain.plots.style import png, svg
from bunchtrain.plots.trade_off import plot_trade_off
from bunchtrain.plots.training_curves import plot_training

__all__ = [
    "Decorrelated",
    "PublishedPoint",
    "plot_against",
    "plot_calibration",
    "plot_confusion",
    "plot_correlation",
    "plot_coverage",
    "plot_decorrelation",
    "plot_deviation",
    "plot_efficiency",
    "plot_images",
    "plot_importance",
    "plot_inputs",
    "plot_linearity",
    "plot_profile",
    "plot_pull",
    "plot_ranking",
    "plot_resolution",
    "plot_response",
    "plot_responses",
    "plot_roc",
    "plot_scores",
    "plot_spectra",
    "plot_trade_off",
    "plot_training",
    "png",
    "svg",
]
