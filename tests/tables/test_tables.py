"""The interface of tables: axes, units, metadata of files, lists in every format."""

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from arrays_source import Arrays
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.table import list_axes
from bunchtrain.tables.transforms.object_rows import ObjectRows
from bunchtrain.tables.transforms.windows import Windows
from bunchtrain.tables.writing import write_table

FORMATS = [".parquet", ".h5", ".root"]


def test_axes_follow_the_names_and_the_depths_of_lists():
    depths = {
        **{"run": 0, "met": 0, "Jet_pt": 1, "Jet_btag_a": 1, "Jet_btag_b": 1, "pt": 1},
        **{"large_r_jet_pt": 1, "large_r_jet_eta": 1, "AnalysisJetsAuxDyn.pt": 1},
        **{"jet_pt": 1, "jet_track_pt": 2, "jet_track_d0": 2, "image": 2, "vertex_hit_x": 2},
    }
    assert list_axes(depths) == {
        **{"run": "event", "met": "event", "Jet_pt": "event.Jet", "Jet_btag_a": "event.Jet"},
        **{"Jet_btag_b": "event.Jet", "pt": "event.pt", "large_r_jet_pt": "event.large_r_jet"},
        **{"large_r_jet_eta": "event.large_r_jet"},
        **{"AnalysisJetsAuxDyn.pt": "event.AnalysisJetsAuxDyn", "jet_pt": "event.jet"},
        **{"jet_track_pt": "event.jet.track", "jet_track_d0": "event.jet.track"},
        **{"image": "event.image.item", "vertex_hit_x": "event.vertex.hit"},
    }


def test_the_schema_of_a_table_and_of_its_transforms():
    events = ak.Array({"met": [1.0], "n": [1], "ok": [True], "t": ["a"], "Jet_pt": [[1.0, 2.0]]})
    table = Arrays(events)
    found = {name: (c.axis, c.kind) for name, c in table.schema.items()}
    assert found == {
        **{"met": ("event", "real"), "n": ("event", "integer"), "ok": ("event", "boolean")},
        **{"t": ("event", "text"), "Jet_pt": ("event.Jet", "real")},
    }
    assert ObjectRows(table, "Jet").schema["met"].axis == "event.Jet"
    windows = Windows(table, length=1, columns=["met"])
    assert windows.schema["window_met"].axis == "window.sample"
    assert windows.order == "series_row"


LISTS = st.lists(st.lists(st.floats(-1e6, 1e6, width=32), max_size=4), max_size=6)


@pytest.mark.property
@pytest.mark.parametrize("ending", FORMATS)
@settings(max_examples=examples(40), deadline=None)
@given(blocks=st.lists(LISTS, min_size=1, max_size=3))
def test_predictions_of_events_points_and_edges_are_read_back(tmp_path_factory, ending, blocks):
    path = tmp_path_factory.mktemp("lists") / f"scores{ending}"
    made = [{"hit": [], "edge": [], "score": []}, *map(as_columns, blocks)]
    typed = [{name: as_type(name, values) for name, values in block.items()} for block in made]
    write_table(path, typed, "scores")
    table = open_table(str(path))
    for name in made[0]:
        read = [row for b in table.blocks([name], 2) for row in b[name].to_list()]
        assert read == [row for block in made for row in block[name]]
    points = table.schema["hit"]
    assert points.axis == "event.hit"
    assert table.schema["score"].axis == "event"


def as_columns(lists):
    edges = [list(range(2 * len(one))) for one in lists]
    return {"hit": lists, "edge": edges, "score": [float(len(one)) for one in lists]}


def as_type(name, values):
    if name == "score":
        return np.asarray(values, np.float32)
    kind = np.float32 if name == "hit" else np.int64
    counts = np.array([len(one) for one in values], np.int64)
    return ak.unflatten(np.array([x for one in values for x in one], kind), counts)


def test_the_offsets_of_lists_in_hdf5_are_checked(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["pt/values"] = np.arange(2), np.arange(3.0)
        file["pt/offsets"] = np.array([0, 2, 9])
    with pytest.raises(DataError, match="'pt' of '/' cannot be read: the offsets of its lists do"):
        list(open_table(str(tmp_path / "a.h5")).blocks(["pt"], 5))


@pytest.mark.parametrize("ending", FORMATS)
def test_units_travel_with_a_file(tmp_path, ending):
    about = TableMetadata(order="t", units={"jet_pt": "GeV"}).as_mapping()
    columns = {"jet_pt": np.float32([1, 2]), "t": np.float32([1, 2])}
    write_table(tmp_path / f"a{ending}", [columns], "events", about)
    source = Files(files=str(tmp_path / f"a{ending}"))
    assert source.units() == {"jet_pt": "GeV"}
    assert source.order == "t"
    assert source.schema["jet_pt"].unit == "GeV"
    assert set(source.fields()) == {"jet_pt", "t", "file_number"}


def test_units_that_a_file_states_are_converted(tmp_path):
    field = pa.field("jet_pt", pa.float32(), metadata={"unit": "MeV"})
    table = pa.table([pa.array([5000.0], pa.float32())], schema=pa.schema([field]))
    pq.write_table(table, tmp_path / "a.parquet")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["jet_pt"] = np.float32([5000.0])
        file["jet_pt"].attrs["units"] = "MeV"
    for name in ("a.parquet", "a.h5"):
        source = Files(files=str(tmp_path / name))
        assert next(iter(source.blocks(["jet_pt"], 5))).jet_pt.tolist() == [5.0]
        assert source.units() == {"jet_pt": "GeV"}
        assert "converted as the file states: jet_pt from MeV" in source.note
        given = Files(files=str(tmp_path / name), units={"jet_pt": "GeV"})
        assert next(iter(given.blocks(["jet_pt"], 5))).jet_pt.tolist() == [5000.0]
        assert given.fingerprint() != source.fingerprint()


def test_units_of_patterns_groups_and_names(tmp_path):
    events = {
        "hit_x": ak.Array([[1.0, 2.0]]),
        "hit_module": ak.Array([[1, 2]]),
        "track_d0": ak.Array([[50.0]]),
        "track_phi": ak.Array([[180.0]]),
        "energy_MeV": np.array([7.0]),
        "t": np.array([2.0]),
    }
    write_table(tmp_path / "a.parquet", [events], "events")
    units = {"hit_*": "cm", "track": {"d0": "um", "phi": "deg"}, "t": "us"}
    source = Files(files=str(tmp_path / "a.parquet"), units=units)
    read = next(iter(source.blocks(list(events), 5)))[0].tolist()
    assert read["hit_x"] == [10.0, 20.0]
    assert read["hit_module"] == [1, 2]
    assert read["track_d0"] == [0.05]
    assert read["track_phi"] == pytest.approx([np.pi])
    assert read["energy_MeV"] == 7.0
    assert read["t"] == 2000.0
    expected = {"hit_x": "mm", "track_d0": "mm", "track_phi": "rad", "t": "ns"}
    assert source.units() == expected | {"energy_MeV": "MeV"}


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"jet_pt": "cm"}, "'jet_pt' is an energy, a momentum or a mass by its name, and 'cm' is"),
        ({"jet_phi": "GeV"}, "'jet_phi' is an angle by its name"),
        ({"muon_*": "GeV"}, "source.units: there is no column 'muon_*'"),
        ({"jet": {"ptt": "GeV"}}, "source.units.jet: there is no column 'ptt'; did you mean 'pt'"),
        ("cm", "source.units: 'cm' is no unit of energy; name the columns"),
        ({"kind": "GeV"}, "'kind' has no numbers but string"),
    ],
)
def test_wrong_units_in_one_sentence(tmp_path, units, message):
    columns = {"jet_pt": np.ones(1), "jet_phi": np.ones(1), "kind": ak.Array(["a"])}
    write_table(tmp_path / "a.parquet", [columns], "events")
    with pytest.raises(StudyError) as caught:
        Files(files=str(tmp_path / "a.parquet"), units=units).units()
    assert message in str(caught.value)
    assert len(str(caught.value)) <= 400


def test_titles_of_branches_state_units(tmp_path):
    from bunchtrain.tables.units import unit_in_title

    assert unit_in_title("transverse momentum [MeV]") == "MeV"
    assert unit_in_title("pt[m]/F") == unit_in_title("hits [n]") == unit_in_title("") == ""
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("t", {"x": np.float32}, title="events")
        file["t"].extend({"x": np.float32([1])})
    assert open_table(str(tmp_path / "a.root")).units() == {}
