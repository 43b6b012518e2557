"""Independence of a column: measured, drawn, and made by DDT on a finished run."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

import bunchtrain
from bunchtrain.errors import StudyError

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "boosted_jets.parquet"
DISCO = ["cross_entropy", {"name": "disco", "against": "jet_mass", "classes": ["qcd"]}]
TABLE = {"name": "table", "features": ["jet_mass", "log(multiplicity)"]}
CHANGES = {
    "representation": TABLE,
    "model": {"name": "dense_network", "widths": [16, 16]},
    "training": {"epochs": 4, "batch_size": 128},
    "models": {
        "plain": {},
        "disco": {"loss": DISCO, "scan": {"loss.1.weight": [1, 30]}},
    },
    "ensembles": {
        "flat": {"of": ["plain"], "by": "ddt", "against": "jet_mass"},
        "quantile": {"of": ["plain"], "by": "quantile", "against": "jet_mass"},
    },
    "evaluation": [
        "classification",
        {"name": "decorrelation", "against": "jet_mass", "edges": [0, 40, 80, 120, 160, 200, 300]},
    ],
}


@pytest.fixture(scope="module")
def run(tiny_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("independence")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_study | CHANGES, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        yield bunchtrain.run(path, runs=folder / "runs", jobs=1)


def test_every_method_has_its_figure(run):
    inverse = {name: figures["inverse_jsd_50"] for name, figures in run.metrics.items()}
    assert list(inverse) == ["plain", "disco_1", "disco_30", "flat", "quantile"]
    assert all(figure["value"] > 1 and figure["error"] > 0 for figure in inverse.values())
    assert inverse["flat"]["value"] > inverse["plain"]["value"]
    assert inverse["disco_30"]["value"] > inverse["plain"]["value"]


def test_report_draws_rejection_against_independence(run):
    page = run.files.report_file.read_text()
    assert "Background rejection against decorrelation from jet_mass" in page
    assert "Spectrum of jet_mass of the background before and after cuts" in page
    assert "1/JSD at ε" in page


def test_flat_scores_go_with_new_files(run, tmp_path):
    output = tmp_path / "scores.parquet"
    run.predict(str(SAMPLE), output)
    scores, test = pd.read_parquet(output), pd.read_parquet(run.files.predictions_file)
    wanted = test.set_index("entry")[["flat_top", "quantile_top"]]
    found = scores.loc[wanted.index, ["flat_top", "quantile_top"]]
    assert (found - wanted).abs().to_numpy().max() < 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"of": ["plain", "disco_1"]}, "changes the score of one model; name one"),
        (
            {"against": "jet_mas"},
            "'jet_mas' is not listed in 'spectators'; did you mean 'jet_mass'",
        ),
    ],
)
def test_what_cannot_be_flattened_is_told(tiny_study, tmp_path, change, message):
    flat = {**CHANGES["ensembles"]["flat"], **change}
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(tiny_study | CHANGES | {"ensembles": {"flat": flat}}))
    with pytest.raises(StudyError, match=message):
        bunchtrain.load(path)


def test_the_shipped_study_runs(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    study = bunchtrain.load(
        "w_tagging_decorrelation",
        f"source={{name: files, files: {SAMPLE}}}",
        "targets.jet.classes={qcd: is_top == 0, w: is_top == 1}",
        "select=event_id < 1200",
        "models.disco.scan={loss.1.weight: [30]}",
        "models.planing.scan={loss.power: [0.5]}",
        "training={epochs: 2, batch_size: 256, threads: 1}",
    )
    done = bunchtrain.run(study, runs=tmp_path, only=["plain", "planing", "disco", "trees"], jobs=1)
    assert list(done.metrics) == [*("plain", "planing_0.5", "disco_30", "trees", "ddt", "quantile")]
    assert all(figures["inverse_jsd_50"]["value"] > 1 for figures in done.metrics.values())
