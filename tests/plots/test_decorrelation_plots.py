"""Plots of a score's dependence on a column."""

import numpy as np

from bunchtrain.plots import (
    DecorrelationPoint,
    plot_decorrelation,
    plot_score_profile,
    plot_spectra,
)
from bunchtrain.statistics.metrics import Measurement

EDGES = np.array([0.0, 1.0, 2.0, 3.0])


def test_one_curve_a_method_and_the_line_of_independent_scores():
    points = [
        DecorrelationPoint("DisCo", 10.0, Measurement(200, 40), Measurement(9, 0.5)),
        DecorrelationPoint("DisCo", 1.0, Measurement(30, 3), Measurement(12, 0.5)),
        DecorrelationPoint("planing", None, Measurement(50, 60), Measurement(8, float("nan"))),
    ]
    (axes,) = plot_decorrelation(points, 0.5, "mass", independent=900).axes
    labels = axes.get_legend_handles_labels()[1]
    assert sorted(labels) == ["DisCo", "independent score", "planing"]
    disco = next(c for c in axes.containers if c.get_label() == "DisCo")
    assert list(disco.lines[0].get_xdata()) == [30, 200]  # joined in order of strength


def test_spectra_have_a_panel_for_each_network():
    values = np.linspace(0, 3, 60, endpoint=False)
    passed = {"trees": {"50 %": values > 1}, "disco": {"50 %": values > 2, "80 %": values > 0.5}}
    panels = plot_spectra(values, passed, EDGES, "mass [GeV]").axes
    assert [panel.get_title(loc="left") for panel in panels[:2]] == ["trees", "disco"]
    assert [len(panel.get_legend_handles_labels()[1]) for panel in panels[:2]] == [2, 3]


def test_profile_plot_names_the_networks():
    values = np.linspace(0, 3, 60, endpoint=False)
    (axes,) = plot_score_profile({"a": values / 3, "b": 1 - values / 3}, values, EDGES, "mass").axes
    assert axes.get_legend_handles_labels()[1] == ["a", "b"]
