"""Plots of a score's dependence on a column, and the profile by value."""

import numpy as np
import pytest

from bunchtrain.plots import Decorrelated, plot_decorrelation, plot_profile, plot_spectra
from bunchtrain.plots.profile import profile
from bunchtrain.statistics.metrics import Measurement

EDGES = np.array([0.0, 1.0, 2.0, 3.0])


def test_profile_is_the_weighted_mean_of_each_bin():
    values = np.array([0.1, 0.9, 1.5, 1.6, 2.5, 3.0])
    scores = np.array([0.0, 1.0, 0.4, 0.4, 0.7, 9.0])
    weights = np.array([3.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    mean, error = profile(scores, values, EDGES, weights)
    assert mean[:2] == pytest.approx([0.25, 0.4])
    assert error[:2] == pytest.approx([np.hypot(3 * 0.25, 0.75) / 4, 0.0])
    assert np.isnan(mean[2])  # one event: no error can be told


def test_error_of_the_profile_covers_the_truth():
    random = np.random.default_rng(1)
    pulls = []
    for _ in range(300):
        values, scores = random.uniform(0, 3, 300), random.exponential(size=300)
        mean, error = profile(scores, values, EDGES, np.ones(300))
        pulls += list((mean - 1) / error)
    assert np.std(pulls) == pytest.approx(1, abs=0.1)


def test_one_curve_a_method_and_the_line_of_chance():
    points = [
        Decorrelated("DisCo", 10.0, Measurement(200, 40), Measurement(9, 0.5)),
        Decorrelated("DisCo", 1.0, Measurement(30, 3), Measurement(12, 0.5)),
        Decorrelated("planing", None, Measurement(50, 60), Measurement(8, float("nan"))),
    ]
    (axes,) = plot_decorrelation(points, 0.5, "mass", chance=900).axes
    labels = axes.get_legend_handles_labels()[1]
    assert sorted(labels) == ["DisCo", "independent, by chance", "planing"]
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
    (axes,) = plot_profile({"a": values / 3, "b": 1 - values / 3}, values, EDGES, "mass").axes
    assert axes.get_legend_handles_labels()[1] == ["a", "b"]
