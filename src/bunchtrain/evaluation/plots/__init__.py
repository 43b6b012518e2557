"""Plots in the style of the field; each function gives a matplotlib figure, without pyplot."""

from bunchtrain.evaluation.plots.against import plot_against
from bunchtrain.evaluation.plots.calibration import plot_calibration
from bunchtrain.evaluation.plots.confusion_matrix import plot_confusion
from bunchtrain.evaluation.plots.correlation import plot_correlation
from bunchtrain.evaluation.plots.coverage import plot_coverage
from bunchtrain.evaluation.plots.decorrelation import Decorrelated, plot_decorrelation
from bunchtrain.evaluation.plots.deviation import plot_deviation
from bunchtrain.evaluation.plots.efficiency import plot_efficiency
from bunchtrain.evaluation.plots.images import plot_images
from bunchtrain.evaluation.plots.importance import plot_importance
from bunchtrain.evaluation.plots.inputs import plot_inputs
from bunchtrain.evaluation.plots.profile import plot_profile
from bunchtrain.evaluation.plots.ranking import plot_ranking
from bunchtrain.evaluation.plots.regression import (
    plot_linearity,
    plot_pull,
    plot_resolution,
    plot_response,
)
from bunchtrain.evaluation.plots.responses import plot_responses
from bunchtrain.evaluation.plots.roc import PublishedPoint, plot_roc
from bunchtrain.evaluation.plots.scores import plot_scores
from bunchtrain.evaluation.plots.spectrum import plot_spectra
from bunchtrain.evaluation.plots.style import png, svg
from bunchtrain.evaluation.plots.trade_off import plot_trade_off
from bunchtrain.evaluation.plots.training_curves import plot_training

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
