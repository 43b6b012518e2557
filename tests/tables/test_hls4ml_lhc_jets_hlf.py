"""The published jets of the trigger benchmark, in the two layouts of OpenML."""

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import DataError
from bunchtrain.tables.sources.hls4ml_lhc_jets_hlf import Hls4mlLhcJetsHlf

ARFF = """% a comment
@RELATION hls4ml_lhc_jets_hlf

@ATTRIBUTE zlogz REAL
@ATTRIBUTE 'mass_mmdt' REAL
@ATTRIBUTE multiplicity REAL
@ATTRIBUTE class {g, q, t, w, z}

@DATA
-2.5,80.25,75.0,w
-1.5,172.5,90.0,t
-3.5,10.0,60.0,'g'
"""


def parquet(path, name: str) -> str:
    columns = {"zlogz": [-2.5, -1.5, -3.5], "mass_mmdt": [80.25, 172.5, 10.0]}
    columns |= {"multiplicity": [75.0, 90.0, 60.0], name: ["w", "t", "g"]}
    pq.write_table(pa.table(columns), path / "jets.parquet")
    return str(path / "jets.parquet")


def arff(path, text: str = ARFF) -> str:
    (path / "jets.arff").write_text(text)
    return str(path / "jets.arff")


@pytest.mark.parametrize("layout", ["arff", "class", "jet_type"])
def test_both_layouts_give_the_same_jets(tmp_path, layout):
    source = Hls4mlLhcJetsHlf(
        files=arff(tmp_path) if layout == "arff" else parquet(tmp_path, layout)
    )
    assert list(source.fields()) == ["zlogz", "mass_mmdt", "multiplicity", "label"]
    blocks = list(source.blocks(["label", "mass_mmdt"], 2))
    assert [len(block) for block in blocks] == [2, 1]
    jets = ak.concatenate(blocks)
    assert jets["label"].to_list() == [2, 4, 0]
    assert jets["mass_mmdt"].to_list() == [80.25, 172.5, 10.0]
    assert source.fingerprint().startswith("OpenML 42468")


def test_other_files_raise(tmp_path):
    with pytest.raises(DataError, match="no line '@data'"):
        Hls4mlLhcJetsHlf(files=arff(tmp_path, "@relation x\n")).fields()
    source = Hls4mlLhcJetsHlf(files=arff(tmp_path, ARFF.replace("75.0,w", "75.0,b")))
    with pytest.raises(DataError, match="class 'b' is not one of g, q, w, z, t"):
        list(source.blocks(["label"], 9))
    with pytest.raises(DataError, match="no column 'mass'"):
        list(Hls4mlLhcJetsHlf(files=arff(tmp_path)).blocks(["mass"], 9))
    with pytest.raises(DataError, match=r"'zlogz' .* only numbers, texts and nominal values"):
        Hls4mlLhcJetsHlf(files=arff(tmp_path, ARFF.replace("zlogz REAL", "zlogz DATE"))).fields()
    with pytest.raises(DataError, match="no column 'class'"):
        Hls4mlLhcJetsHlf(files=parquet(tmp_path, "flavour")).fields()
