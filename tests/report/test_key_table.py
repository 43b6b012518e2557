import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from rich.console import Console

from bunchtrain.errors import RunError
from bunchtrain.report.compare import Compared, compare_roc, compare_table
from bunchtrain.report.console import rich_table
from bunchtrain.report.content import Table
from bunchtrain.report.key_table import Entry, Published, key_table, published_points
from bunchtrain.report.results import Results
from bunchtrain.statistics.classification import measure_classification
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.targets import Target

SOURCE = Published(
    "arXiv:1902.09914, Table 1",
    {
        "auc": Measurement(0.982),
        "rejection_30": Measurement(888.0, 17.0),
        "rejection_50": Measurement(200.0),
    },
)


def test_missing_metrics_leave_gaps_and_published_ones_are_shown_alone():
    auc = {"auc": {"value": 0.98, "error": 0.001}}
    bias = {"bias": {"value": 0.1, "error": 0.1}}
    table = key_table([Entry("a", auc, SOURCE), Entry("b", auc | bias)])
    rejections = ["1/ε_B at ε_S = 0.3", "1/ε_B at ε_S = 0.5"]
    assert table.columns == ["AUC", "Bias", *rejections]
    assert table.rows[0].ours[1:] == [None, None, None]
    assert table.rows[0].published[2].value == 888.0
    assert table.rows[0].published[0].value == 0.982


def test_published_rejections_are_points_of_the_roc():
    points = published_points({"pfn": SOURCE, "other": None})
    assert [(p.name, p.efficiency, p.rejection.value) for p in points] == [
        ("pfn", 0.3, 888.0),
        ("pfn", 0.5, 200.0),
    ]


def test_the_terminal_shows_all_metrics_in_80_columns(jets):
    metrics = measure_classification(*jets, None, Target("jet", ("qcd", "top")))
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(
        rich_table(key_table([Entry("particle_net", metrics, SOURCE)]), "t", "Stand-ins.")
    )
    text = console.export_text()
    auc = f"{metrics['auc']['value']:.3f}"
    for part in ("particle_net", "888 ± 17", "Stand-ins.", "Table 1", auc):
        assert part in text
    assert "…" not in text


def test_six_columns_fit_in_80_characters(jets):
    metrics = measure_classification(
        *jets, None, Target("jet", ("qcd", "top")), efficiencies=(0.3, 0.5, 0.7, 0.8)
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(rich_table(key_table([Entry("particle_net", metrics, SOURCE)])))
    text = console.export_text()
    assert "particle_net" in text
    assert "888 ± 17" in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


@settings(max_examples=examples(30), deadline=None)
@given(
    st.integers(24, 130),
    st.lists(st.sampled_from(["a", "boosted_trees_on_masses", "net[b]"]), min_size=1, max_size=3),
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=9),
)
def test_no_width_cuts_a_name_or_a_digit(width, names, values):
    known = ["auc", "accuracy", *(f"rejection_{10 * k}" for k in range(1, 8))]
    metrics = {
        name: Measurement(value, 0.3 * value).as_dict()
        for name, value in zip(known, values, strict=False)
    }
    console = Console(width=width, record=True, file=io.StringIO(), markup=False)
    console.print(rich_table(key_table([Entry(name, metrics) for name in names])))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    for value in values:
        assert text.count(str(Measurement(value, 0.3 * value))) >= len(names)
    if width >= 48:
        assert all(name in text for name in names)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_tables_of_evaluations_are_split_and_repeat_the_names(width):
    row = ["90 %", "boosted_trees_on_masses", "1.234", "0.6001 ± 0.0020", "1234 ± 120", "9 ± 3"]
    columns = ["ε of b", "Model", "Cut", "ε of the cut", "1/ε, light", "1/ε, charm"]
    console = Console(width=width, record=True, file=io.StringIO(), markup=False)
    console.print(Results(tables=[Table("Caption.", columns, [row, row])]))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert all(text.count(cell) >= 2 for cell in row[2:])
    assert text.count("boosted_trees_on_masses") == 2 * text.count("Model")


def test_models_are_compared_in_one_table_and_one_roc(jets):
    scores, truth = jets
    metrics = measure_classification(scores, truth, None, Target("jet", ("qcd", "top")))
    runs = [Compared(name, metrics, scores, truth) for name in ("first", "second")]
    assert [row.name for row in compare_table(runs).rows] == ["first", "second"]
    labels = compare_roc(runs).axes[0].get_legend_handles_labels()[1]
    assert [label.split()[0] for label in labels] == ["first", "second", "random"]
    with pytest.raises(RunError, match="none of these runs has a classifier"):
        compare_roc([Compared("regression", {})])
