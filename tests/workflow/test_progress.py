"""Progress of a run: states of its stages, the lines of a log, the table of a terminal."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from types import SimpleNamespace

import pytest
from rich.console import Console

import bunchtrain
from bunchtrain.errors import RunError
from bunchtrain.progress_events import FILE, emit, read_events
from bunchtrain.workflow import live_progress as live
from bunchtrain.workflow import progress as module
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.progress import RUN, follow, summarise


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study.yaml").write_text("name: a\n")
    (tmp_path / "status.json").write_text('{"state": "running"}')
    return RunFolder(tmp_path)


@pytest.fixture
def shown(monkeypatch):
    """Return a function that sets the console, and returns where its text goes."""

    def use(terminal):
        text = io.StringIO()
        monkeypatch.setenv("TERM", "xterm")
        console = Console(file=text, force_terminal=terminal, width=160, markup=False)
        monkeypatch.setattr(module, "console", console)
        monkeypatch.setattr(live, "console", console)
        return text

    return use


def epoch(folder, stage, number, **fields):
    emit(folder.path, stage, "progress", step=number, steps=3, text=f"epoch {number}/3", **fields)


def play(folder):
    """Write the events of a run with two trainings side by side, one of which fails."""
    emit(folder.path, RUN, "start", process=os.getpid())
    emit(folder.path, "prepare", "start")
    emit(folder.path, "prepare", "note", text="define.x: nothing uses this column")
    emit(folder.path, "prepare", "end")
    emit(folder.path, "train.a", "reuse", text="runs/a/1")
    emit(folder.path, "train.b", "start")
    epoch(folder, "train.b", 1, loss=0.5, validation_loss=0.25, seconds_left=12.0, memory_mb=300)
    emit(folder.path, "train.c", "start")
    epoch(folder, "train.c", 1, loss=0.7)
    epoch(folder, "train.c", 1, loss=0.5, validation_loss=0.125, seconds_left=70.0)
    emit(folder.path, "train.c", "fail", text="the loss is not finite")
    emit(folder.path, "train.c", "fail", text="the loss is not finite")
    epoch(folder, "train.b", 3, loss=0.25, validation_loss=0.2, memory_mb=200, rate=1234.0)
    emit(folder.path, "train.b", "end")
    emit(folder.path, "evaluate.roc", "start")
    emit(folder.path, "evaluate.roc", "fail", text="no memory")


def test_a_log_has_a_line_for_each_stage_and_epoch(folder, shown):
    text = shown(terminal=False)
    with live.live_progress(folder, 9):
        play(folder)
    assert text.getvalue().splitlines() == [
        "· preparing the events",
        "· define.x: nothing uses this column",
        "· train.a: unchanged, taken from runs/a/1",
        "· training b",
        "  epoch 1/3  training loss 0.5  validation loss 0.25  about 12 s left",
        "· training c",
        "· c: epoch 1/3  training loss 0.5  validation loss 0.125  about 1 min 10 s left",
        "  epoch 3/3  training loss 0.25  validation loss 0.2",
        "· training c failed: the loss is not finite",
        "· evaluating roc",
        "· evaluating roc failed: no memory",
    ]


def test_a_single_failure_is_told_by_the_error_of_the_run_alone(folder, shown):
    text = shown(terminal=False)
    with live.live_progress(folder, 2):
        emit(folder.path, "train.b", "start")
        emit(folder.path, "train.b", "fail", text="no memory")
        emit(folder.path, "train.b", "fail", text="no memory")
    assert text.getvalue() == "· training b\n"


def test_events_of_before_are_not_shown_again(folder, shown):
    text = shown(terminal=False)
    play(folder)
    with live.live_progress(folder, 9):
        pass
    assert text.getvalue() == ""


def test_a_terminal_has_a_row_for_each_running_stage(folder, shown):
    text = shown(terminal=True)
    with live.live_progress(folder, 9):
        emit(folder.path, "train.b", "start")
        epoch(folder, "train.b", 1, loss=0.5, validation_loss=0.25, seconds_left=12.0, rate=900)
        deadline = time.monotonic() + 10
        while "900 events/s" not in text.getvalue() and time.monotonic() < deadline:
            time.sleep(0.05)
        emit(folder.path, "train.b", "end")
    found = text.getvalue()
    for part in ("epoch 1/3", "loss 0.5", "validation 0.25", "about 12 s left", "0 of 9 stages"):
        assert part in found
    assert "· training b is done after 0" in found


def test_the_table_fits_a_narrow_terminal():
    shown = live._Progress(None, 2, live._Log())
    for name in ("train.a_model_with_a_very_long_name_indeed", "predict.b"):
        shown.add(module.ProgressEvent("2026-01-01T00:00:00+00:00", name, "start"))
    text = io.StringIO()
    Console(file=text, width=60).print(shown.table())
    assert max(map(len, text.getvalue().splitlines())) <= 60


@pytest.mark.skipif(find_spec("IPython") is None, reason="needs IPython")
def test_a_notebook_shows_lines_and_table(folder, shown, monkeypatch):
    pages = []
    console = shown(terminal=False)
    monkeypatch.setattr(live.console, "is_jupyter", True)
    handle = SimpleNamespace(update=lambda page: pages.append(page.data))
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    with live.live_progress(folder, 2):
        emit(folder.path, "train.b", "start")
        epoch(folder, "train.b", 1, loss=0.5, validation_loss=0.25)
        time.sleep(3 * module.LOOK)
        emit(folder.path, "train.b", "end")
    assert any("epoch 1/3" in page and "0 of 2 stages" in page for page in pages)
    assert "training b is done after" in pages[-1]
    assert "of 2 stages" not in pages[-1]
    assert console.getvalue() == ""


def test_a_damaged_line_does_not_stop_the_run(folder, shown):
    text = shown(terminal=False)
    with live.live_progress(folder, 1):
        (folder.path / FILE).write_text("damaged\n")
        time.sleep(2 * module.LOOK)
        emit(folder.path, "export.cpp", "start")
    assert text.getvalue() == "· exporting to cpp\n"
    with pytest.raises(RunError, match=r"events\.jsonl is damaged .*line 1: Invalid JSON"):
        bunchtrain.progress(folder.path)


def test_say_prints_where_no_stage_is_running(shown):
    text = shown(terminal=False)
    module.say("evaluating classification")
    assert text.getvalue() == "· evaluating classification\n"


def test_the_last_values_of_each_stage(folder):
    play(folder)
    found = summarise(read_events(folder.path))
    assert {name: one.state for name, one in found.items()} == {
        RUN: "running", "prepare": "finished", "train.a": "reused", "train.b": "finished",
        "train.c": "failed", "evaluate.roc": "failed",
    }  # fmt: skip
    one = found["train.b"]
    assert (one.step, one.steps, one.loss, one.validation_loss) == (3, 3, 0.25, 0.2)
    assert (one.memory_mb, one.rate, one.seconds_left) == (300, 1234, None)
    assert 0 <= one.seconds < 10
    assert found["train.c"].text == "the loss is not finite"
    emit(folder.path, "train.c", "start")
    assert summarise(read_events(folder.path))["train.c"].loss is None


def killed_process():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_stage_whose_process_was_killed_is_not_running(folder):
    host = module.socket.gethostname()
    emit(folder.path, RUN, "start", process=os.getpid(), host=host)
    emit(folder.path, "train.a", "start", process=killed_process(), host=host)
    emit(folder.path, "train.b", "start", process=os.getpid(), host=host)
    emit(folder.path, "train.c", "start", process=1, host="another machine")
    states = {name: one.state for name, one in bunchtrain.progress(folder.path).items()}
    assert states == {"train.a": "interrupted", "train.b": "running", "train.c": "running"}
    folder.set_state("interrupted")
    states = {one.state for one in bunchtrain.progress(folder.path).values()}
    assert states == {"interrupted"}


def test_no_stage_of_a_killed_run_is_running_nor_when_it_is_resumed(folder):
    host = module.socket.gethostname()
    emit(folder.path, RUN, "start", process=killed_process(), host=host)
    emit(folder.path, "train.c", "start", process=1, host="another machine")
    assert bunchtrain.progress(folder.path)["train.c"].state == "interrupted"
    assert [one.stage for one in follow(folder.path)] == [RUN, "train.c"]
    time.sleep(0.002)  # times have milliseconds
    emit(folder.path, RUN, "start", process=os.getpid(), host=host)
    emit(folder.path, "train.a", "start", process=os.getpid(), host=host)
    states = {name: one.state for name, one in bunchtrain.progress(folder.path).items()}
    assert states == {"train.c": "interrupted", "train.a": "running"}


def test_a_run_is_followed_until_it_ends(folder):
    emit(folder.path, "prepare", "start")

    def finish():
        emit(folder.path, "report", "end")
        folder.set_state("finished")

    timer = threading.Timer(0.5, finish)
    timer.start()
    assert [one.stage for one in follow(folder.path)] == ["prepare", "report"]
    timer.join()


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(RunError, match=r"is not the folder of a run: it has no study\.yaml"):
        bunchtrain.progress(tmp_path)


def test_a_finished_run_tells_what_each_stage_took(finished):
    found = finished.progress
    assert list(found)[:2] == ["source", "prepare"]
    assert {one.state for one in found.values()} == {"finished"}
    flow, trees = found["train.flow"], found["train.trees"]
    assert flow.text == "epoch 3/3"
    assert flow.step == flow.steps
    assert trees.text == "round 20/20"
    rows = [json.loads(line) for line in (finished.folder / FILE).read_text().splitlines()]
    epochs = [one for one in rows if one["stage"] == "train.flow" and "validation_loss" in one]
    history = (finished.folder / "models" / "flow" / "history.csv").read_text().splitlines()[1:]
    assert [one["validation_loss"] for one in epochs] == [
        pytest.approx(float(line.split(",")[2])) for line in history
    ]
    assert all(one["rate"] > 0 and one["memory_mb"] > 50 for one in epochs)
