from dataclasses import replace

import pytest

from bunchtrain.plots import Resources, dominated_by, plot_resources
from bunchtrain.statistics.metrics import Measurement

POINTS = [
    Resources("fixed", "fixed", Measurement(0.70, 0.01), lut=9000, cycles=4, bit_operations=2e4),
    Resources(
        "learned_1", "learned", Measurement(0.71, 0.01), lut=3000, cycles=3, bit_operations=5e3
    ),
    Resources(
        "learned_2", "learned", Measurement(0.66, 0.01), lut=900, cycles=2, bit_operations=2e3
    ),
    Resources("trees", "trees", Measurement(0.66, 0.01), lut=900, cycles=2),
    Resources("fixed", "fixed", Measurement(0.75), lut=500, cycles=11, source="arXiv:2006.10159"),
]


@pytest.mark.parametrize(("index", "found"), [(0, ["learned_1"]), (1, []), (2, []), (3, [])])
def test_a_circuit_is_dominated_by_those_no_worse_in_both_and_better_in_one(index, found):
    assert dominated_by(POINTS[index], POINTS) == found


def test_each_cost_has_a_panel_and_a_method_a_line():
    figure = plot_resources(POINTS)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        "Look-up tables", "Effective bit operations", "Latency [clock cycles]",
    ]  # fmt: skip
    assert [len(axes.containers) for axes in figure.axes] == [4, 2, 4]
    assert len(figure.legends[0].get_texts()) == 4


def test_a_cost_that_is_not_known_has_no_panel():
    assert len(plot_resources(POINTS[2:]).axes) == 2


def test_where_not_all_circuits_were_synthesised_estimates_are_compared():
    estimated = [replace(p, lut=p.lut if p.source else None, estimate=p.lut) for p in POINTS]
    assert dominated_by(estimated[0], estimated) == ["learned_1"]
    figure = plot_resources(estimated)
    assert figure.axes[0].get_xlabel() == "Look-up tables, estimated"
    assert len(figure.axes[0].containers) == 4
