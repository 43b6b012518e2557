"""Predictions of the windows of a series are sent back to the rows in which they end."""

import sys

import awkward as ak
import numpy as np
import pandas as pd
import pytest

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.study import validate
from bunchtrain.tables.reading import open_table
from bunchtrain.workflow import predict_new_events

LENGTH, SCORE = 4, "pca_anomaly_score"
#: Rows of each series; the third has fewer than a window.
LENGTHS = [90, 41, 3, 66]


@pytest.fixture(scope="module")
def frame():
    """Four sensors with a row each second, of which the first and last have gaps."""
    random = np.random.default_rng(1)
    steps = np.ones(sum(LENGTHS))
    steps[[20, 50, 52, 180]] = 10
    return pd.DataFrame(
        {
            "sensor": np.repeat(["a", "b", "c", "d"], LENGTHS),
            "time": np.cumsum(steps),
            "x": random.normal(size=len(steps)),
            "good": random.random(len(steps)) < 0.8,
            "code": np.repeat([1, 2, 3, 4], LENGTHS),
        },
        index=np.arange(len(steps)) + 1000,
    )


def is_last(frame, step):
    """Return whether a window ends in each row, row by row."""
    found, row, run = [], -1, 0
    for k in range(len(frame)):
        begins = k == 0 or frame.sensor.iloc[k] != frame.sensor.iloc[k - 1]
        is_gap = k > 0 and frame.time.iloc[k] - frame.time.iloc[k - 1] > 2
        row, run = 0 if begins else row + 1, 1 if begins or is_gap else run + 1
        found.append(run >= LENGTH and (row + 1) % step == 0)
    return np.array(found)


@pytest.fixture(scope="module", params=[1, 2], ids=["step 1", "step 2"])
def made(request, frame, tmp_path_factory):
    folder = tmp_path_factory.mktemp("windows_to_rows")
    frame.to_parquet(folder / "series.parquet", index=False)
    windows = {"length": LENGTH, "series": "sensor", "time": "time", "max_gap": 2.0}
    rows = np.cumsum(LENGTHS) / sum(LENGTHS)
    study = {
        "name": "sensors",
        "source": {"name": "files", "files": str(folder / "series.parquet")},
        "windows": {**windows, "columns": ["x"], "step": request.param},
        "select": "good",
        "split": {
            **{"name": "time", "column": "time"},
            **{"validation_from": rows[0] * 200, "test_from": rows[1] * 200},
        },
        "representation": {"name": "window", "features": ["window_x"], "length": LENGTH},
        "method": {"name": "pca", "components": 2},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        yield folder, request.param, bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


@pytest.mark.parametrize("rows", [16384, 7, 2])
def test_each_row_of_a_frame_has_the_score_of_the_window_that_ends_in_it(
    made, frame, monkeypatch, rows
):
    _, step, run = made
    monkeypatch.setattr(predict_new_events, "ROWS", rows)
    found, last = run.predict(frame), is_last(frame, step)
    assert list(found) == ["selected", SCORE]
    assert found.index.equals(frame.index)
    assert found.selected.tolist() == (last & frame.good).tolist()
    assert found[SCORE].notna().tolist() == found.selected.tolist()
    every = run.predict(frame, select=False)
    assert every[SCORE].notna().tolist() == last.tolist()
    # the score of a window without the rows around it
    for k in np.flatnonzero(last)[::9]:
        alone = run.predict(frame.iloc[k - LENGTH + 1 : k + 1], select=False)
        assert alone[SCORE].isna().tolist() == [True] * (LENGTH - 1) + [False]
        assert alone[SCORE].iloc[-1] == pytest.approx(every[SCORE].iloc[k], rel=1e-5)


@pytest.mark.parametrize("rows", [16384, 7])
@pytest.mark.parametrize("ending", [".parquet", ".csv", ".root", ".h5"])
def test_files_have_the_rows_of_the_input(made, frame, monkeypatch, ending, rows):
    folder, _, run = made
    monkeypatch.setattr(predict_new_events, "ROWS", rows)
    output, expected = folder / f"scores{ending}", run.predict(frame)
    counts = run.write_predictions(folder / "series.parquet", output)
    assert (counts.events, counts.selected) == (len(frame), expected.selected.sum())
    assert counts.objects == run.predict(frame, select=False)[SCORE].notna().sum()
    found = ak.concatenate(list(open_table(str(output)).blocks([SCORE, "selected"], 50)))
    np.testing.assert_allclose(ak.to_numpy(found[SCORE]), expected[SCORE], rtol=1e-5)
    assert (ak.to_numpy(found.selected) != 0).tolist() == expected.selected.tolist()


def test_several_files_and_short_ones(made, frame):
    folder, _, run = made
    parts = [frame[:2], frame[2:2], frame[2:60]]
    for k, part in enumerate(parts):
        part.to_parquet(folder / f"part_{k}.parquet", index=False)
    assert run.predict(str(folder / "part_*.parquet"), folder / "parts.parquet") == 60
    found = pd.read_parquet(folder / "parts.parquet")
    assert found.file_number.tolist() == [0] * 2 + [2] * 58
    assert found.entry.tolist() == [0, 1, *range(58)]
    expected = pd.concat([run.predict(part) for part in parts])
    np.testing.assert_allclose(found[SCORE], expected[SCORE], rtol=1e-5)


def test_conditions_beside_the_windows(made, frame):
    folder, step, run = made
    pd.DataFrame({"code": [1, 2, 3, 4], "noise": [0.0, 1.0, 0.0, 1.0]}).to_parquet(
        folder / "noise.parquet", index=False
    )
    study = run.study.model_copy(deep=True).model_dump(mode="json", exclude_unset=True)
    study |= {"conditions": {"sensors": {"files": str(folder / "noise.parquet"), "key": "code"}}}
    study |= {"define": {"noise": "sensors.noise[code]"}, "select": "noise == 0"}
    study["split"] |= {"validation_from": 85.0, "test_from": 100.0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        other = bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)
    found = other.predict(frame)
    assert found.selected.tolist() == (is_last(frame, step) & frame.code.isin([1, 3])).tolist()


def test_the_command_counts_rows_and_windows(made, frame, monkeypatch, capsys):
    folder, _, run = made
    words = ["bunchtrain", "predict", run.files.path, folder / "series.parquet"]
    monkeypatch.setattr(sys, "argv", [*map(str, words), "-o", str(folder / "out.parquet")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    number = run.predict(frame, select=False)[SCORE].notna().sum()
    text = " ".join(capsys.readouterr().out.split())
    assert f"{len(frame)} events of {number} windows, of which 'select' selects" in text
