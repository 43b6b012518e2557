"""The study of capsules on whole events from start to finish, on made-up events."""

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import bunchtrain
from bunchtrain.cli.main import app
from bunchtrain.errors import StudyError
from bunchtrain.simulation.pythia.layout import TTH_EVENTS
from bunchtrain.study import load


def made_up_events(path, events=200):
    """Write events of six jets, three of them tagged; those of signal are the harder ones."""
    random = np.random.default_rng(1)
    signal = np.arange(events) % 2 == 0
    lengths = {"jet": np.full(events, 6), "particle": random.integers(10, 40, events)}
    columns = {"event_id": np.arange(events), "is_tth": signal}
    for name, kind in TTH_EVENTS.items():
        count = lengths.get(name.partition("_")[0]) if kind.startswith("var") else None
        number = events if count is None else count.sum()
        values = random.uniform(-2, 2, number)
        if name.endswith(("_pt", "_mass", "_energy")):
            factor = 1.0 + 0.1 * signal
            values = random.uniform(30, 60, number) * (
                factor if count is None else np.repeat(factor, count)
            )
        if name == "jet_mass":
            values[0] = 0.0  # a jet of one photon
        if name == "jet_tag":
            values = np.tile([1, 0], 3 * events)
        if "int" in kind or "bool" in kind:
            values = np.round(np.abs(values)).astype(np.int8)
        if name not in columns:
            columns[name] = values if count is None else ak.unflatten(values, count)
    ak.to_parquet(ak.zip(columns, depth_limit=1), path)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tth")
    changes = {
        "source": {"name": "files", "files": str(made_up_events(folder / "events.parquet"))},
        "training.epochs": 2,
        "training.threads": 1,
        "representation.pixels": 12,
        "models.capsules.model.kernel": 3,
        "models.capsules.model.filters": 4,
        "models.image_cnn.model.filters": [[4], [4]],
    }
    return bunchtrain.run(load("tth_capsules", **changes), runs=folder / "runs", jobs=1)


def test_all_networks_are_trained_and_their_images_shown(done):
    assert list(done.metrics) == [
        "capsules",
        "image_cnn",
        "recurrent",
        "boost_lstm",
        "boosted_trees",
    ]
    assert done.metrics["boosted_trees"]["auc"]["value"] > 0.6
    page = done.files.report_file.read_text(encoding="utf-8")
    assert "Mean images of both classes" in page


def test_the_length_of_a_capsule_is_its_score(done):
    found = CliRunner().invoke(app, ["evaluate", "capsules", str(done.folder)])
    assert found.exit_code == 0, found.output
    page = done.files.report_file.read_text(encoding="utf-8")
    assert "Rank correlation of the dimensions of each capsule" in page
    table = pq.read_table(done.folder / "evaluations" / "capsules" / "capsules.parquet")
    scored = done.predictions.columns
    assert table["entry"].to_pylist() == scored["entry"].tolist()
    vector = np.stack([table[f"capsules_tth_capsule_{d}"].to_numpy() for d in range(8)])
    np.testing.assert_allclose(np.linalg.norm(vector, axis=0), scored["capsules_tth"], atol=1e-5)


def test_a_run_without_capsule_networks_is_an_error(finished):
    with pytest.raises(StudyError, match="needs a model with capsules"):
        bunchtrain.evaluate(finished, "capsules")
