import xml.etree.ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot

from bunchtrain import plots
from bunchtrain.plots import style
from bunchtrain.statistics.classification import signal_roc
from bunchtrain.statistics.metrics import (
    Measurement,
    bias,
    binned_efficiency,
    calibration,
    confusion_matrix,
    roc,
)


@pytest.fixture
def drawn(jets):
    scores, truth = jets
    x = np.random.default_rng(2).normal(50, 5, len(truth))
    y, names = x + np.sin(np.arange(len(x))), ["qcd", "top"]
    point = plots.PublishedPoint("a", 0.3, Measurement(888, 17))
    history = {"epoch": np.arange(3), "train_loss": np.ones(3), "validation_loss": np.ones(3)}
    efficiency = binned_efficiency(truth == 1, x, np.linspace(30, 70, 5))
    return {
        "roc": plots.plot_roc({"a": signal_roc(scores, truth, None, 1)}, [point], "top", "qcd"),
        "scores": plots.plot_scores(scores[:, 1], truth, names, None, (scores[:, 1], truth, None)),
        "training": plots.plot_training(history),
        "inputs": plots.plot_inputs({"x [GeV]": x, "n": np.round(x)}, truth, names),
        "confusion": plots.plot_confusion(*confusion_matrix(scores, truth), names),
        "efficiency": plots.plot_efficiency({"top": efficiency}, "pT [GeV]"),
        "importance": plots.plot_importance(["mass", "pt"], np.array([1.0, 2.0])),
        "calibration": plots.plot_calibration({"a": calibration(scores[:, 1], truth == 1)}),
        "response": plots.plot_response({"a": y / x}, "predicted / true"),
        "resolution": plots.plot_resolution({"a": y - x}, x, "true [GeV]"),
        "pull": plots.plot_pull({"a": y - x}),
        "linearity": plots.plot_linearity(y, x, "energy", "GeV"),
        "coverage": plots.plot_coverage({"a": (y, np.ones(len(x)), x)}),
        "uncertainty": plots.plot_uncertainty({"a": (scores[:, 1], scores[:, 0])}, "probability"),
        "profile": plots.plot_metric_profile(
            {"a": y - x}, x, bias, ("pT [GeV]", "bias"), np.ones(len(x))
        ),
    }


def test_every_plot_labels_its_axes_and_becomes_svg(drawn):
    for name, figure in drawn.items():
        axes = figure.axes[0]
        assert axes.get_xlabel(), name
        assert axes.get_ylabel() or name == "importance"
        assert ET.fromstring(plots.svg(figure)).tag.endswith("svg")


def test_a_confusion_of_many_classes_has_colours_in_place_of_numbers():
    few, many = (
        plots.plot_confusion(np.eye(count), np.zeros((count, count)), ["a"] * count)
        for count in (20, 60)
    )
    assert (len(few.axes[0].texts), len(many.axes[0].texts)) == (400, 0)
    assert max(many.get_size_inches()) < max(few.get_size_inches())
    assert [axes.get_ylabel() for axes in many.axes] == ["True class", "Fraction of the true class"]


def test_long_names_leave_room_for_the_bars():
    names = ["constituent_" + 30 * "very_" + "long", "pt"]
    figure = plots.plot_importance(names, np.array([1.0, 2.0]))
    plots.svg(figure)
    (axes,) = figure.axes
    assert axes.get_position().width > 0.3
    assert [len(label.get_text()) for label in axes.get_yticklabels()] == [40, 2]


def test_plots_leave_no_trace_in_matplotlib(jets):
    before = dict(mpl.rcParams)
    plots.svg(plots.plot_roc({"a": signal_roc(*jets, None, 1)}))
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def test_wide_columns_have_a_logarithmic_axis_and_networks_are_side_by_side():
    column = np.geomspace(20, 1000, 600)
    values = {name: np.ones(600) for name in ("a", "b")}
    figure = plots.plot_metric_profile(values, column, bias, ("pT [GeV]", "bias"), np.ones(600))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    one, two = (np.asarray(c.lines[0].get_xdata()) for c in axes.containers)
    assert (one < two).all()
    assert (two[:-1] < one[1:]).all()


def test_the_names_of_thirty_networks_leave_room_for_their_curves(jets):
    curve = signal_roc(*jets, None, 1)
    figure = plots.plot_roc({f"network_{k}": curve for k in range(30)})
    plots.svg(figure)
    assert figure.axes[0].get_position().height > 0.7


def test_the_roc_shows_rejection_on_a_log_axis_with_published_points(jets):
    curve = signal_roc(*jets, None, 1)
    point = plots.PublishedPoint("b", 0.3, Measurement(888, 17))
    axes = plots.plot_roc({"a": curve}, [point]).axes[0]
    x, y = axes.lines[0].get_data()
    np.testing.assert_allclose(y, 1 / curve.background_at(x)[0])
    assert axes.get_yscale() == "log"
    assert axes.get_ylim()[1] > 888
    assert "published" in axes.get_legend_handles_labels()[1]


def test_a_perfect_classifier_can_be_drawn():
    scores = np.repeat([0.0, 1.0], 50)
    assert plots.svg(plots.plot_roc({"a": roc(scores, scores > 0)}))


def test_plots_become_png(jets):
    assert plots.png(plots.plot_roc({"a": signal_roc(*jets, None, 1)})).startswith(b"\x89PNG")


def test_the_same_plot_is_the_same_file(jets):
    one, two = (plots.svg(plots.plot_roc({"a": signal_roc(*jets, None, 1)})) for _ in range(2))
    assert one == two


def test_differences_have_white_at_zero():
    both = {"intensity": np.eye(3), "difference": np.eye(3) - 0.25}
    figure = plots.plot_images(both, (-1, 1, -1, 1), log=False)
    norms = [axes.images[0].norm for axes in figure.axes if axes.images]
    assert (norms[0].vmin, norms[0].vmax) == (0, 1)
    assert (norms[1].vmin, norms[1].vmax) == (-0.75, 0.75)


@pytest.mark.parametrize("name", [r"a$\nosuch$b", "x$_{$", "cost $5_a_b$", "$", "a$b"])
def test_names_that_are_no_mathematics_are_shown_as_they_are(name):
    figure, axes = style.canvas()
    axes.set(xlabel=name, ylabel=r"$p_T$", title=name)
    assert plots.png(figure)
    assert not axes.xaxis.label.get_parse_math() or name.count("$") == 1
    assert axes.yaxis.label.get_parse_math()


def test_efficiencies_near_one_fill_the_axis_and_wide_bins_are_logarithmic():
    values = np.array([0.4, 0.8, 3.0, 20.0] * 50)
    passed = np.arange(200) % 20 > 0  # 95 %
    near = binned_efficiency(passed, values, np.array([0.3, 0.5, 1, 5, 30]))
    low = binned_efficiency(~passed, values, np.array([0, 1, 30]))
    (first,), (second,) = (plots.plot_efficiency({"a": e}, "x").axes for e in (near, low))
    assert first.get_ylim()[0] > 0.5
    assert first.get_ylim()[1] < 1.05
    assert second.get_ylim()[0] == 0
    assert (first.get_xscale(), second.get_xscale()) == ("log", "linear")
