"""Runs whose folder, data, cache or processes were moved, changed, removed, refused or killed."""

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from conftest import SAMPLE, STUDY, command  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.workflow.preparation import event_cache

FEATURES = {"name": "table", "features": ["jet_mass", "log(multiplicity)"]}
TREES = {"representation": FEATURES, "model": {"name": "boosted_trees", "trees": 10}}
SMALL = {
    **{key: value for key, value in STUDY.items() if key not in ("representation", "models")},
    "source": {"name": "files", "files": "data.parquet"},
    "training": {"epochs": 1, "threads": 1},
    "models": {"first": TREES, "second": {**TREES, "seeds": 1}},
    "evaluation": ["classification"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with data, a study, its cache and its finished run, which names relative paths."""
    place = tmp_path_factory.mktemp("made") / "here"
    place.mkdir()
    shutil.copy(SAMPLE, place / "data.parquet")
    (place / "small.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(place / "cache"))
        ended = command("run", "small.yaml", cwd=place)
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture
def there(made, tmp_path, monkeypatch):
    """A copy of that folder elsewhere, and its run."""
    place = tmp_path / "there"
    shutil.copytree(made, place)
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(place / "cache"))
    (run,) = place.glob("runs/*/*")
    return place, run


def sentence(ended):
    """Return the only message of a command that failed by a mistake of the user."""
    (line,) = [one for one in ended.stderr.splitlines() if one.startswith("bunchtrain: ")]
    assert "Traceback" not in ended.stderr
    assert ended.returncode in (1, 2)
    assert len(line) <= 412
    return line


def metrics(run):
    return json.loads((run / "metrics.json").read_text())


def without_evaluation(run):
    """Let a run look as if it had been stopped before its evaluation."""
    shutil.rmtree(run / "evaluations")
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "interrupted"}))
    return metrics(run)


def test_a_run_copied_elsewhere_is_read_used_and_resumed_there(there, made):
    place, run = there
    shutil.move(run, place / "elsewhere")
    run = place / "elsewhere"
    opened = bunchtrain.open_run(run)
    assert opened.metrics == metrics(next(made.glob("runs/*/*")))
    opened.predict(str(SAMPLE), place / "scores.parquet")
    tested = pq.read_table(opened.files.predictions_file)
    scores = pq.read_table(place / "scores.parquet")["first_top"].to_numpy()
    assert scores[tested["entry"].to_numpy()] == pytest.approx(tested["first_top"].to_numpy())
    before = without_evaluation(run)
    assert command("run", "--resume", run, cwd=place).returncode == 0
    assert metrics(run) == before
    assert (run / "evaluations" / "classification" / "results.json").is_file()


@pytest.mark.parametrize("cached", [True, False])
def test_a_source_that_was_removed_is_named(there, monkeypatch, cached):
    place, run = there
    monkeypatch.chdir(place)
    if cached:
        event_cache(bunchtrain.open_run(run).study)
    without_evaluation(run)
    shutil.rmtree(run / "models")
    (place / "data.parquet").unlink()
    for words in (["run", "--resume", run], ["run", "small.yaml", "--fresh"]):
        assert "data.parquet" in sentence(command(*words, cwd=place))


def test_a_source_that_was_changed_makes_another_cache(there):
    place, run = there
    old = metrics(run)
    pq.write_table(pq.read_table(SAMPLE).slice(0, 3000), place / "data.parquet")
    assert command("run", "small.yaml", cwd=place).returncode == 0
    new = next(one for one in place.glob("runs/*/*") if one != run)
    assert metrics(new) != old
    assert metrics(run) == old
    without_evaluation(run)
    assert "are not those that" in sentence(command("run", "--resume", run, cwd=place))


def test_what_else_is_in_the_cache_is_neither_used_nor_removed(there, monkeypatch):
    place, run = there
    monkeypatch.chdir(place)
    study, events = bunchtrain.open_run(run).study, place / "cache" / "events"
    cache = event_cache(study).folder
    manifest = json.loads((cache / "manifest.json").read_text())
    for other in ({"version": -1}, {"shards": {}}, {"shards": ["../notes.txt"]}):
        (cache / "manifest.json").write_text(json.dumps(manifest | other))
        foreign = {events / "notes.txt": "mine", events / "ab" / "manifest.json": "[1]"}
        for path, text in foreign.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        event_cache(study)
        assert json.loads((cache / "manifest.json").read_text()) == manifest
        assert all(path.read_text() == text for path, text in foreign.items())


@pytest.mark.parametrize("problem", [PermissionError(13, "Permission denied"), OSError(30, "Read")])
def test_a_folder_that_cannot_be_written_is_named(there, monkeypatch, problem):
    place, run = there
    kept, closed = os.open, []

    def refused(path, flags, *rest, **options):
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes and any(str(Path(path).absolute()).startswith(str(one)) for one in closed):
            raise type(problem)(problem.errno, problem.strerror, str(path))
        return kept(path, flags, *rest, **options)

    def made(path, *rest, **options):
        if any(str(Path(path).absolute()).startswith(str(one)) for one in closed):
            raise type(problem)(problem.errno, problem.strerror, str(path))
        return making(path, *rest, **options)

    making = os.mkdir
    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "open", refused)
    monkeypatch.setattr("io.open", _opener(kept_open=open, refused=refused))
    monkeypatch.setattr("builtins.open", _opener(kept_open=open, refused=refused))
    before = metrics(run)
    closed[:] = [run]
    assert bunchtrain.open_run(run).metrics == before
    out = place / "scores.csv"
    assert command("predict", run, SAMPLE, "-o", out, cwd=place).returncode == 0
    assert str(run) in sentence(command("report", run, cwd=place))
    closed[:] = [place / "out"]
    assert "out" in sentence(command("predict", run, SAMPLE, "-o", "out/s.csv", cwd=place))
    shutil.rmtree(place / "cache")
    closed[:] = [place / "cache"]
    assert "cache" in sentence(command("run", "small.yaml", "--fresh", cwd=place))


def _opener(kept_open, refused):
    """Return `open` whose files for writing are opened by a function that may refuse them."""

    def opened(file, mode="r", *rest, **options):
        if isinstance(file, str | os.PathLike) and set(mode) & set("wax+"):
            options["opener"] = refused
        return kept_open(file, mode, *rest, **options)

    return opened


def kill_processes(count, killed):
    """Kill that many processes of stages, one after the other."""
    deadline = time.monotonic() + 120
    while len(killed) < count and time.monotonic() < deadline:
        for found in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
            for process in map(int, found.read_text().split()):
                words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                if b"train.first" in words and process not in killed:
                    os.kill(process, signal.SIGKILL)
                    killed.append(process)
        time.sleep(0.01)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds its children in /proc")
@pytest.mark.parametrize("count", [1, 2])
def test_a_killed_process_of_two_jobs_is_tried_again_once(there, count):
    place, run = there
    killed: list[int] = []
    killer = threading.Thread(target=kill_processes, args=(count, killed), daemon=True)
    killer.start()
    ended = command("run", "small.yaml", "--fresh", "--jobs", "2", cwd=place)
    killer.join()
    assert len(killed) == count
    new = next(one for one in place.glob("runs/*/*") if one != run)
    if count == 2:
        line = sentence(ended)
        assert "model 'first'" in line
        assert "was killed by signal 9" in line
        assert command("run", "--resume", new, "--jobs", "2", cwd=place).returncode == 0
    assert metrics(new) == metrics(run)
