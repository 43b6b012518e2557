import os
from pathlib import Path

import awkward as ak
import layouts
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.sources.jet_archive import JetArchive
from bunchtrain.tables.sources.jet_class import CLASSES, JetClass
from bunchtrain.tables.sources.lhc_olympics import LhcOlympics
from bunchtrain.tables.sources.top_tagging_reference import TopTaggingReference

DATA = Path(os.environ.get("BUNCHTRAIN_DATA", Path(__file__).parents[3] / "shared" / "data"))
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")


def read(source, columns, rows=100):
    chunks = list(source.blocks(columns, rows))
    assert all(len(chunk) <= rows for chunk in chunks)
    return ak.concatenate(chunks)


def types_are_kept(source):
    fields = source.fields()
    chunk = next(iter(source.blocks(list(fields), 2)))
    for name, kind in fields.items():
        assert str(chunk[name].type).partition(" * ")[2] == kind


def test_columns_that_files_lack_are_filled(tmp_path):
    pq.write_table(pa.table({"x": [1, 2], "kind": ["a", "b"]}), tmp_path / "new.parquet")
    pq.write_table(pa.table({"x": [3]}), tmp_path / "old.parquet")
    for order in (["new", "old"], ["old", "new"]):
        files = [str(tmp_path / f"{name}.parquet") for name in order]
        source = Files(files=files, fill={"kind": ""})
        assert sorted(ak.to_list(read(source, ["x", "kind"]).kind)) == ["", "a", "b"]
        assert source.fields()["kind"] == "string"
        assert source.fingerprint() != Files(files=files).fingerprint()


@pytest.fixture
def folder(tmp_path):
    for name, low in (("ttbar_1", 0), ("ttbar_2", 3), ("qcd", 6)):
        pq.write_table(pa.table({"x": np.arange(low, low + 3)}), tmp_path / f"{name}.parquet")
    return tmp_path


def test_files_come_one_after_the_other(folder):
    source = Files(
        files=[f"{folder}/qcd.parquet", f"{folder}/ttbar*.parquet"],
        add={"label": {"ttbar*": 1, "*": 0}, "process": {"qcd*": "QCD", "*": "top"}},
    )
    events = read(source, ["file_number", "x", "label", "process"], rows=2)
    assert events["x"].to_list() == [6, 7, 8, 0, 1, 2, 3, 4, 5]
    assert events["file_number"].to_list() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert events["label"].to_list() == [0] * 3 + [1] * 6
    assert events["process"].to_list() == ["QCD"] * 3 + ["top"] * 6
    assert len(read(source, [])) == 9
    types_are_kept(source)


def test_files_that_no_pattern_fits(folder):
    source = Files(files=f"{folder}/*.parquet", add={"label": {"ttbar*": 1}})
    with pytest.raises(StudyError, match=r"source.add.label: no pattern .* matches the file .*qcd"):
        read(source, ["label"])
    with pytest.raises(StudyError, match="the files already have a column of this name"):
        read(Files(files=f"{folder}/*", add={"x": {"*": 1}}), ["x"])
    with pytest.raises(StudyError, match="mixes strings and numbers"):
        Files(files=f"{folder}/*", add={"y": {"*": 1, "q": "z"}}).fields()


def test_the_fingerprint_follows_content_and_options(folder):
    before = Files(files=f"{folder}/*").fingerprint()
    assert Files(files=f"{folder}/*").fingerprint() == before
    assert Files(files=f"{folder}/*", add={"y": {"*": 1}}).fingerprint() != before
    pq.write_table(pa.table({"x": [1, 2]}), folder / "qcd.parquet")
    assert Files(files=f"{folder}/*").fingerprint() != before


def test_a_study_names_sources():
    names = parts.locate("source")
    assert {"files", "top_tagging_reference", "jet_class", "lhc_olympics", "jet_archive"} <= set(
        names
    )
    with pytest.raises(StudyError, match="has no option 'file'; did you mean 'files'"):
        parts.build("source", "files", {"file": "x.root"})


MOMENTA = np.array([[[10, 1, 2, 3], [5, 4, 5, 6]], [[7, 0, 0, 7], [0, 0, 0, 0]]], np.float32)


@pytest.mark.parametrize("write", [layouts.pandas_fixed, layouts.pandas_table])
def test_top_tagging_in_its_published_layout(tmp_path, write):
    path = str(tmp_path / "train.h5")
    slots = np.zeros((2, 200, 4), np.float32)
    slots[:, :2] = MOMENTA
    names = [f"{letter}_{slot}" for slot in range(200) for letter in ("E", "PX", "PY", "PZ")]
    flags = np.array([[0, 1], [2, 0]])
    write(path, "table", [(names, slots.reshape(2, 800)), (["ttv", "is_signal_new"], flags)])
    source = TopTaggingReference(files=path)
    events = read(source, list(source.fields()))
    assert events["constituent_energy"].to_list() == [[10, 5], [7]]
    assert events["constituent_py"].to_list() == [[2, 5], [0]]
    assert events["is_signal"].to_list() == [1, 0]
    assert events["ttv"].to_list() == [0, 2]
    types_are_kept(source)


def test_lhc_olympics_in_its_published_layout(tmp_path):
    path = str(tmp_path / "events.h5")
    values = np.zeros((2, 2101))
    values[0, :6] = [9.0, 0.1, 0.2, 8.0, 0.3, 0.4]
    values[1, :3], values[1, 2100] = [7.0, -0.1, -0.2], 1
    layouts.pandas_fixed(path, "df", [(list(range(2101)), values)])
    source = LhcOlympics(files=path)
    events = read(source, ["particle_phi", "particle_pt", "is_signal"])
    assert events["particle_pt"].to_list() == [[9, 8], [7]]
    assert events["particle_phi"].to_list() == [[0.2, 0.4], [-0.2]]
    assert events["is_signal"].to_list() == [0, 1]


@real_data
def test_lhc_olympics_real_file():
    pytest.importorskip("hdf5plugin")
    source = LhcOlympics(files=str(DATA / "anomaly" / "events_anomalydetection_tiny.h5"))
    events = read(source, ["is_signal", "particle_pt"], rows=300)
    assert (len(events), ak.sum(events["is_signal"])) == (1000, 93)
    assert ak.min(events["particle_pt"], axis=None) > 0


def test_jet_class_in_its_published_layout(tmp_path):
    path = str(tmp_path / "HToBB_120.root")
    energies = ak.values_astype(ak.Array([[5.0, 4.0], [3.0]]), np.float32)
    columns = {"jet_pt": np.float32([500, 600]), "part_energy": energies}
    columns |= {f"label_{name}": np.array([name == "Hbb", name == "Tbl"]) for name in CLASSES}
    kinds = {name: "bool" for name in columns if name.startswith("label_")}
    with uproot.recreate(path) as file:
        tree = file.mktree("tree", {"jet_pt": "f4", "part_energy": "var * float32", **kinds})
        tree.extend(columns)
    source = JetClass(files=path)
    events = read(source, ["label", "part_energy", "label_Hbb"])
    assert events.fields == ["label", "part_energy", "label_Hbb"]
    assert events["label"].to_list() == [1, 9]
    types_are_kept(source)


def test_jet_archive(tmp_path):
    path = str(tmp_path / "jets.npz")
    momenta = np.array([[0.1, 0.2, 5], [0.3, 0.4, 0.05], [0.5, 0.6, 7]], np.float32)
    np.savez(
        path,
        constituents_eta_phi_pt=momenta,
        offsets=[0, 2, 3],
        is_tau=np.int8([1, 0]),
        event_id=[7, 8],
    )
    source = JetArchive(files=path)
    events = read(source, ["constituent_pt", "constituent_eta", "is_tau", "event_id"])
    assert events["constituent_pt"].to_list() == [[5], [7]]
    assert events["is_tau"].to_list() == [1, 0]
    uncut = read(JetArchive(files=path, minimum_pt=0), ["constituent_pt"])
    assert ak.num(uncut["constituent_pt"]).to_list() == [2, 1]
    assert source.fingerprint() != JetArchive(files=path, minimum_pt=1).fingerprint()
    types_are_kept(source)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (TopTaggingReference, "has no column 'E_0'"),
        (LhcOlympics, "has no column 'column_2099'"),
    ],
)
def test_another_layout_raises(tmp_path, source, message):
    path = str(tmp_path / "other.h5")
    layouts.pandas_fixed(path, "df", [(["a"], np.ones((2, 1)))])
    with pytest.raises(DataError, match=message):
        source(files=path, key="df").fields()


def test_a_column_that_the_source_does_not_give(tmp_path):
    path = str(tmp_path / "jets.npz")
    np.savez(path, constituents_eta_phi_pt=np.ones((2, 3)), offsets=[0, 2], is_tau=[1])
    with pytest.raises(DataError, match="no column 'is_tua'; did you mean 'is_tau'"):
        read(JetArchive(files=path), ["is_tua"])
