"""Plots in the style of the field; each function returns a matplotlib figure, without pyplot."""

from bunchtrain.plots.assignment import plot_assigned_masses, plot_assignment_efficiency
from bunchtrain.plots.classification import (
    PublishedPoint,
    plot_calibration,
    plot_confusion,
    plot_efficiency,
    plot_roc,
    plot_scores,
)
from bunchtrain.plots.comparison import (
    plot_dimension_correlation,
    plot_parameter,
    plot_rank_correlation,
    plot_ranking,
    plot_trade_off,
)
from bunchtrain.plots.decorrelation import (
    DecorrelationPoint,
    plot_decorrelation,
    plot_score_profile,
    plot_spectra,
)
from bunchtrain.plots.inputs import (
    MAX_IMPORTANCES,
    plot_closure,
    plot_images,
    plot_importance,
    plot_inputs,
)
from bunchtrain.plots.pictures import MAX_SVG_BYTES, PICTURES, picture, png, small_svg, svg
from bunchtrain.plots.rates import RateCurve, plot_rates
from bunchtrain.plots.regression import (
    plot_by_sample,
    plot_linearity,
    plot_pull,
    plot_resolution,
    plot_response,
)
from bunchtrain.plots.resources import Resources, dominated_by, plot_resources
from bunchtrain.plots.samples import plot_samples
from bunchtrain.plots.scan import plot_scan
from bunchtrain.plots.style import MAX_LEGEND, axis_label, bin_edges
from bunchtrain.plots.toys import plot_null, plot_p_values
from bunchtrain.plots.training import plot_training
from bunchtrain.plots.uncertainty import (
    Measure,
    plot_coverage,
    plot_metric_profile,
    plot_response_curves,
    plot_uncertainty,
)

__all__ = [
    "MAX_IMPORTANCES",
    "MAX_LEGEND",
    "MAX_SVG_BYTES",
    "PICTURES",
    "DecorrelationPoint",
    "Measure",
    "PublishedPoint",
    "RateCurve",
    "Resources",
    "axis_label",
    "bin_edges",
    "dominated_by",
    "picture",
    "plot_assigned_masses",
    "plot_assignment_efficiency",
    "plot_by_sample",
    "plot_calibration",
    "plot_closure",
    "plot_confusion",
    "plot_coverage",
    "plot_decorrelation",
    "plot_dimension_correlation",
    "plot_efficiency",
    "plot_images",
    "plot_importance",
    "plot_inputs",
    "plot_linearity",
    "plot_metric_profile",
    "plot_null",
    "plot_p_values",
    "plot_parameter",
    "plot_pull",
    "plot_rank_correlation",
    "plot_ranking",
    "plot_rates",
    "plot_resolution",
    "plot_resources",
    "plot_response",
    "plot_response_curves",
    "plot_roc",
    "plot_samples",
    "plot_scan",
    "plot_score_profile",
    "plot_scores",
    "plot_spectra",
    "plot_trade_off",
    "plot_training",
    "plot_uncertainty",
    "png",
    "small_svg",
    "svg",
]  # fmt: skip
