"""A disk that is full ends in one sentence and leaves no file that is cut; later the run goes on.

Files of this process are limited in length, so that a write fails in its middle wherever it is
made: in Python, NumPy, Arrow, HDF5 or a tree library.
"""

import contextlib
import json
import os
import re
import resource
import shutil

import awkward as ak
import numpy as np
import pytest
import yaml
from conftest import STUDY, command  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.cli.failures import as_error
from bunchtrain.errors import MachineError
from bunchtrain.files import write_json
from bunchtrain.methods.tensor_files import write_arrays
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.writing import write_table
from bunchtrain.targets import Target

ROWS = 20_000
NUMBERS = {"score": np.random.default_rng(1).normal(size=ROWS), "number": np.arange(ROWS)}
LISTS = {**NUMBERS, "pt": ak.unflatten(np.linspace(0, 1, 2 * ROWS), np.full(ROWS, 2))}
#: File → how it is written.
WRITERS = {
    "a.parquet": lambda path: write_table(path, [LISTS, LISTS], "scores", {"study": "x" * 500}),
    "a.h5": lambda path: write_table(path, [LISTS, LISTS], "scores", {"study": "x" * 500}),
    "a.root": lambda path: write_table(path, [LISTS, LISTS], "scores"),
    "a.csv": lambda path: write_table(path, [NUMBERS, NUMBERS], "scores"),
    "a.csv.gz": lambda path: write_table(path, [NUMBERS, NUMBERS], "scores"),
    "a.json": lambda path: write_json(path, {"scores": NUMBERS["score"]}),
    "a.safetensors": lambda path: write_arrays(path, {"scores": NUMBERS["score"]}),
}


@contextlib.contextmanager
def files_of_at_most(size):
    """Let a write fail that would make a file longer than this number of bytes."""
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, kept[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("fraction", [0, 0.01, 0.5, 0.999])
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path, name, fraction):
    path = tmp_path / name
    WRITERS[name](path)
    old, size = path.read_bytes(), path.stat().st_size
    limited = files_of_at_most(int(fraction * size))
    sentence = rf"{re.escape(name)}' cannot be written: File too large; free space and repeat"
    with limited, pytest.raises(MachineError, match=sentence) as caught:
        WRITERS[name](path)
    assert len(str(caught.value)) <= 400
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("name", [n for n in WRITERS if n not in ("a.h5", "a.root")])  # which seek
def test_a_device_without_space(tmp_path, name):
    (tmp_path / f".{name}.{os.getpid()}.part").symlink_to("/dev/full")
    with pytest.raises(MachineError, match=r"cannot be written: No space left on device; free"):
        WRITERS[name](tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("memory", [2 * 10**9, 10**6])
@pytest.mark.parametrize("size", [0, 100, 3000, 30_000])
def test_a_cache_that_does_not_fit_is_made_again(tmp_path, memory, size):
    label = Target("t", ("a", "b"), expressions=("number % 2 == 0", "number % 2 == 1"))
    recipe = Recipe(Arrays(NUMBERS), targets=[label], columns=["score", "number"])
    sentence = r"disk of the cache folder .* is full; free space or set storage\.folder"
    with files_of_at_most(size), pytest.raises(MachineError, match=sentence):
        EventCache.build(recipe, tmp_path, memory)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]
    assert sum(EventCache.build(recipe, tmp_path, memory).rows.values()) == ROWS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run of one network, alone in its cache."""
    place = tmp_path_factory.mktemp("undisturbed")
    study = {**STUDY, "models": {"flow": STUDY["models"]["flow"]}, "evaluation": ["classification"]}
    (place / "tiny.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(place / "cache"))
        run = bunchtrain.run(place / "tiny.yaml", runs=place / "runs")
    return place, run


FILES = ["manifest.json", "environment.json", "models/flow/checkpoint.safetensors"]
FILES += ["evaluations/classification/plot_0.svg", "report.html", "the disk of the cache folder"]


@pytest.mark.parametrize("file", FILES)
def test_a_run_that_finds_no_space_goes_on_when_there_is_some(
    undisturbed, tmp_path, monkeypatch, file
):
    place, expected = undisturbed
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))
    shutil.copy(place / "tiny.yaml", tmp_path)
    path = expected.folder / file
    if path.is_file():
        shutil.copytree(place / "cache", tmp_path / "cache")
    size = path.stat().st_size // 2 if path.is_file() else 12_000
    with files_of_at_most(10 if file == "manifest.json" else size):
        ended = command("run", "tiny.yaml", "--jobs", "1", cwd=tmp_path)
    assert ended.returncode == 1
    (line,) = [one for one in ended.stderr.splitlines() if one.startswith("bunchtrain: ")]
    assert file in line
    assert "free space" in line
    assert "Traceback" not in ended.stderr
    assert not [*tmp_path.rglob("*.part"), *tmp_path.rglob("*.building")]
    (folder,) = tmp_path.glob("runs/*/*")
    for found in folder.rglob("*.json"):
        json.loads(found.read_text())
    began = (folder / "study.yaml").is_file()
    again = ["run", "--resume", folder] if began else ["run", "tiny.yaml"]
    assert command(*again, cwd=tmp_path).returncode == 0
    (metrics,) = [json.loads(one.read_text()) for one in tmp_path.glob("runs/*/*/metrics.json")]
    assert metrics == json.loads((expected.folder / "metrics.json").read_text())


def test_an_error_of_the_disk_without_a_name_is_one_sentence():
    problem = as_error(OSError(28, "Error writing bytes to file. Detail: [errno 28] No space"))
    assert str(problem).startswith("a file cannot be written: No space left on device; free")
