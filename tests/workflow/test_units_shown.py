"""Units of columns on plots, in listings and in written files, which state their origin."""

import sys

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.study import validate
from bunchtrain.tables.reading import open_table
from bunchtrain.workflow.check import check
from bunchtrain.workflow.evaluate import make_evaluation

ROWS = 300


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("units_shown")


@pytest.fixture(scope="module")
def study(folder):
    random = np.random.default_rng(4)
    pt = random.uniform(20e3, 100e3, ROWS)
    columns = {"jet_pt": pt, "jet_true": pt * random.normal(1, 0.1, ROWS)}
    pq.write_table(pa.table(columns | {"jet_eta": random.normal(size=ROWS)}), folder / "in.parquet")
    source = {"name": "files", "files": str(folder / "in.parquet"), "units": "MeV"}
    return {
        "name": "scale",
        "source": source | {"units": {"jet_pt": "MeV", "jet_true": "MeV"}},
        "targets": {
            "energy": {"values": {"true": "jet_true", "ratio": "jet_true / jet_pt"}},
            "side": {"classes": {"left": "jet_eta < 0", "right": "jet_eta >= 0"}},
        },
        "spectators": ["jet_pt"],
        "representation": {"name": "table", "features": ["jet_pt", "jet_eta"]},
        "model": {"name": "dense_network", "widths": [4]},
        "training": {"epochs": 1},
        "evaluation": [
            {"name": "regression", "against": ["jet_pt"]},
            {"name": "input_distributions"},
            {"name": "efficiency_profile", "against": ["jet_pt"]},
        ],
    }


@pytest.fixture(scope="module")
def run(folder, study):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        yield bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


def axis_labels(run, name, **options):
    """Return the labels of the axes of an evaluation's plots."""
    plots = make_evaluation(run.study, name, options).evaluate(run).plots
    return {
        text
        for plot in plots
        for axes in plot.figure.axes
        for text in (axes.get_xlabel(), axes.get_ylabel())
    }


def test_units_are_on_the_axes_of_evaluations(run):
    labels = axis_labels(run, "regression", against=["jet_pt"])
    assert {"jet $p_T$ [GeV]", "predicted − true true [GeV]", "True true [GeV]"} <= labels
    assert {"predicted − true ratio", "True ratio"} <= labels  # of no known unit
    labels = axis_labels(run, "input_distributions")
    assert {"jet $p_T$ [GeV]", r"jet $\eta$"} <= labels
    assert "jet $p_T$ [GeV]" in axis_labels(run, "efficiency_profile", against=["jet_pt"])


@pytest.mark.parametrize("ending", [".parquet", ".h5", ".root"])
def test_files_of_predictions_state_units_and_origin(run, folder, ending):
    output = folder / f"scores{ending}"
    run.predict(folder / "in.parquet", output)
    table = open_table(str(output))
    assert table.units() == {"dense_network_energy_true": "GeV"}
    assert table.metadata.origin == {
        "bunchtrain": bunchtrain.__version__,
        "study": "scale",
        "run": run.folder.name,
        "models": "dense_network",
    }
    found = bunchtrain.inspect(str(output)).tables[0]
    assert found.header[2] == "unit"
    assert ["dense_network_energy_true", "GeV"] in [[c[0], c[2]] for c in found.cells()]
    assert f"bunchtrain {bunchtrain.__version__}, study scale, run " in found.notes()[0]


def test_a_listing_without_units_has_no_column_of_them(folder):
    pq.write_table(pa.table({"x": np.arange(3.0)}), folder / "plain.parquet")
    found = bunchtrain.inspect(str(folder / "plain.parquet")).tables[0]
    assert "unit" not in found.header
    pq.write_table(pa.table({"x_mm": np.arange(3.0)}), folder / "named.parquet")
    found = bunchtrain.inspect(str(folder / "named.parquet")).tables[0]
    assert found.cells()[0][:3] == ["x_mm", "double", "mm"] or found.cells()[0][2] == "mm"


def test_check_shows_units(study, folder, monkeypatch, capsys):
    assert check(validate(study)).units == {"jet_pt": "GeV", "jet_true": "GeV"}
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    monkeypatch.setattr(sys, "argv", ["bunchtrain", "check", str(folder / "study.yaml")])
    with pytest.raises(SystemExit):
        main()
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split()[-3:] == ["jet_pt", "float64", "GeV"] for line in lines)


def test_generated_events_state_units(folder, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
    source = {"name": "files", "files": str(folder / "in.parquet"), "units": {"jet_pt": "MeV"}}
    study = {
        "name": "density",
        "source": source,
        "representation": {"name": "table", "features": ["jet_pt", "jet_eta"]},
        "models": {"mixture": {"method": "gaussian_mixture"}},
        "evaluation": ["generated_events"],
    }
    run = bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)
    assert "jet $p_T$ [GeV]" in axis_labels(run, "generated_events")
    output = folder / "generated.h5"
    words = ["bunchtrain", "generate", run.folder, "-o", output, "--rows", 100]
    monkeypatch.setattr(sys, "argv", [str(word) for word in words])
    with pytest.raises(SystemExit):
        main()
    table = open_table(str(output))
    assert table.units() == {"jet_pt": "GeV"}
    assert table.metadata.origin["models"] == "mixture"
    pt = ak.concatenate([block.jet_pt for block in table.blocks(["jet_pt"], 100)])
    assert 20 < np.mean(pt) < 100  # GeV
