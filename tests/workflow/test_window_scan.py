"""The shipped scan of windows, with an archive of few events in place of its data."""

import numpy as np
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import DataError, StudyError
from bunchtrain.study import load
from bunchtrain.workflow.evaluate import make_evaluation

CENTRES = [0.05, 0.11, 0.17]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows")
    random = np.random.default_rng(1)
    arrays = {}
    for name in ("validation", "train"):
        events = random.normal(0.3, 0.1, (1500, 6)).astype(np.float32)
        events[:, 1] = np.array(CENTRES)[np.arange(1500) % 3]
        events[:, 5] = (events[:, 1] == np.float32(0.11)) & (np.arange(1500) % 5 == 0)
        events[events[:, 5] == 1, 2:5] += 0.5
        arrays[name] = events
    np.savez(folder / "events.npz", **arrays)
    files = {"name": "files", "files": str(folder / "events.npz")}
    study = load(
        "window_scan",
        f"storage.folder={folder / 'cache'}",
        "training.epochs=10",
        "training.batch_size=50",
        "stages.trees.train.model.trees=10",
        "stages.window.transform.constants.centre=0.11",
        "evaluation.excess.fraction=0.1",
        **{
            "source.tables": [files, files],
            "stages.mass_windows.repeat.scan": {"window.transform.constants.centre": CENTRES},
        },
    )
    return bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_the_excess_is_found_in_its_window_alone(run):
    for model in ("network", "trees"):
        found = run.metrics[model]
        assert found["smallest_excess_p_value_at"]["value"] == 0.11
        z = [found[f"excess_significance/{centre:g}"]["value"] for centre in CENTRES]
        assert abs(z[0]) < 3 < z[1] > abs(z[2])
        p = found["smallest_excess_p_value"]["value"]
        assert found["global_excess_p_value"]["value"] == pytest.approx(1 - (1 - p) ** 3)


def test_a_cut_that_is_blind_to_the_class_keeps_the_fraction(run):
    table = pq.read_table(run.folder / "stages/mass_windows/table.parquet").to_pydict()
    kept, total = (
        np.add(table[f"{model}.observed"], table[f"{model}.expected"])
        for model in ("network", "counting")
    )
    assert kept == pytest.approx(0.1 * total, abs=1)


def test_the_report_has_a_row_for_each_window(run):
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "mass of the lighter jet [TeV]" in text
    assert "Smallest of 3 p-values" in text


def test_a_window_without_events_is_named(run):
    study = run.study.model_copy(deep=True)
    study.stages["mass_windows"].options.scan = {"window.transform.constants.centre": [0.11, 7]}
    with pytest.raises(DataError, match=r"mass_windows, .*centre = 7: stage 'events': .*no events"):
        bunchtrain.run(study, runs=run.folder.parent.parent, jobs=1, only=["mass_windows"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repeat": "window"}, "'window' of kind 'repeat' over 'scan' or 'signals'; did you mean"),
        ({"against": "centre"}, "against: 'mass_windows' does not vary 'centre'"),
    ],
)
def test_a_scan_of_nothing(changes, message):
    given = {"name": "scan", "repeat": "mass_windows"} | changes
    study = load("window_scan", evaluation=[given])
    with pytest.raises(StudyError, match=message):
        make_evaluation(study, "scan", {k: v for k, v in given.items() if k != "name"})
