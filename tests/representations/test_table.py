import awkward as ak
import pytest

from bunchtrain.errors import DataError, ExpressionError, StudyError
from bunchtrain.representations.point_cloud import PointCloud
from bunchtrain.representations.table import Table


def test_features_are_expressions_over_the_event():
    table = Table(features=["met / 2", "sum(jet_pt)", "met > 3"])
    events = ak.Array({"met": [2, 4], "jet_pt": [[1.0, 2.0], []], "other": [0, 0]})
    assert table(events)["table"].tolist() == [[1, 3, 0], [2, 0, 1]]
    assert table.columns(events.fields) == ["met", "jet_pt"]
    assert (table.sizes, table.names["table"][0]) == ({"table": 3}, "met / 2")


def test_a_missing_column_is_named_with_the_nearest():
    with pytest.raises(DataError, match=r"no column 'mett', which 'mett / 2' reads.*'met'"):
        Table(features=["mett / 2"]).columns(["met"])


def test_lists_are_refused():
    with pytest.raises(DataError, match="'jet_pt' gives a list per event"):
        Table(features=["jet_pt"])(ak.Array({"jet_pt": [[1.0]]}))


@pytest.mark.parametrize("feature", ["kind", "p4(met, met, met)"])
def test_features_that_are_no_numbers_are_refused(feature):
    events = ak.Array({"kind": ["ee", "mm"], "met": [1.0, 2.0]})
    with pytest.raises(ExpressionError, match="must give numbers, not"):
        Table(features=[feature])(events)
    lists = ak.Array({f"J_{n}": [[1.0, 2.0], [3.0]] for n in ("pt", "eta", "phi", "met")})
    events = ak.with_field(lists, ak.Array([["ee", "mm"], ["ee"]]), "J_kind")
    with pytest.raises(ExpressionError, match="must give numbers, not"):
        PointCloud(group="J", features=[feature])(events)
    chosen = PointCloud(group="J", features=["kind == 'ee'"])(events)
    assert chosen["features"].tolist() == [[1], [0], [1]]


def test_no_features_are_refused():
    with pytest.raises(StudyError):
        Table(features=[])
