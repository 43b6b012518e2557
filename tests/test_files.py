"""Folders of caches and paths given from Python: what is none ends in one sentence."""

import os
from pathlib import Path

import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError, UserError
from bunchtrain.files import as_path, cache_folder
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.reading.paths import resolve
from bunchtrain.workflow import run_study


@pytest.mark.parametrize("given", ["a\nb", " ", "\x1b[1m", "$NOSUCH", "${NOSUCH}/a", "~nosuch/a"])
def test_a_cache_in_no_folder_is_refused(given, monkeypatch) -> None:
    monkeypatch.setenv("BUNCHTRAIN_CACHE", given)
    with pytest.raises(UserError, match=r"is no cache folder: give a folder in BUNCHTRAIN_CACHE"):
        cache_folder()


def test_a_cache_may_be_in_a_variable_or_a_home(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("PLACE", str(tmp_path))
    assert cache_folder("$PLACE/é") == tmp_path / "é"
    assert cache_folder("~/x") == Path.home() / "x"
    monkeypatch.setenv("BUNCHTRAIN_CACHE", "")
    assert cache_folder() == Path.home() / ".cache" / "bunchtrain"


@pytest.mark.parametrize("given", [object, 3, None, "a\0", "x" * 256, "é" * 128, "a/" * 2048])
def test_what_is_no_path_is_refused(given) -> None:
    with pytest.raises(UserError, match=r"^a file (must be a path, got|has too long a name:)"):
        as_path(given, "a file")


def test_long_addresses_are_paths() -> None:
    assert str(as_path("s3://a/" + "x" * 300, "a file")).endswith("x" * 300)
    assert as_path(Path("x" * 255), "a file").name == "x" * 255


def test_an_address_that_is_none_cannot_be_reached() -> None:
    with pytest.raises(DataError, match=r"'http://\[' cannot be reached"):
        resolve("http://[")


@pytest.mark.parametrize("values", [None, 3, [2**70], np.array(1.0), object()])
def test_a_column_of_no_events_is_named(values) -> None:
    with pytest.raises(DataError, match="the column 'y' cannot be used as events"):
        Arrays({"x": [1.0], "y": values})


@pytest.mark.parametrize("jobs", [0, -1, "many", 1.5, True])
def test_jobs_are_a_number(jobs, tmp_path) -> None:
    with pytest.raises(StudyError, match="jobs must be a whole number of at least 1"):
        run_study.run("higgs_tabular", runs=tmp_path, jobs=jobs)
    with pytest.raises(UserError, match="the folder of runs must be a path, got 3"):
        run_study.run("higgs_tabular", runs=3)
    assert not os.listdir(tmp_path)
