"""The stream of events about the progress of a run: written by any process, read by all."""

import json
import os
import subprocess
import sys
import time

import pytest

from bunchtrain import progress_events
from bunchtrain.errors import InterruptedRun, RunError, StudyError
from bunchtrain.progress_events import (
    FILE,
    EventReader,
    emit,
    is_due,
    note,
    read_events,
    report,
    report_part,
    report_stage,
    stage_environment,
)


def lines(folder):
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_what_is_written_is_read(tmp_path):
    assert read_events(tmp_path) == []
    emit(tmp_path, "train.a", "start", process=3)
    emit(tmp_path, "train.a", "progress", step=1, steps=4, loss=0.5, validation_loss=float("nan"))
    emit(tmp_path, "train.a", "note", text="μ is\nsmall")
    first, second, third = read_events(tmp_path)
    assert (first.stage, first.event, first.process) == ("train.a", "start", 3)
    assert (second.step, second.steps, second.loss, second.validation_loss) == (1, 4, 0.5, None)
    assert third.text == "μ is\nsmall"
    assert "validation_loss" not in lines(tmp_path)[1]


def test_many_processes_append_whole_lines(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bunchtrain.progress_events import emit\n"
        "for i in range(200): emit(Path(sys.argv[1]), sys.argv[2], 'progress', step=i)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    running = [subprocess.Popen([*command, f"stage {k}"]) for k in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    found = read_events(tmp_path)
    for k in range(3):
        assert [one.step for one in found if one.stage == f"stage {k}"] == list(range(200))


def test_a_line_that_was_cut_off_is_left_out(tmp_path):
    emit(tmp_path, "a", "start")
    with (tmp_path / FILE).open("a") as file:
        file.write('{"time": "2026-01-01T00:00')
    assert [one.stage for one in read_events(tmp_path)] == ["a"]
    emit(tmp_path, "b", "start")
    assert [one.stage for one in read_events(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not JSON", "line 2: Invalid JSON"),
        ('{"time": "t", "stage": "a", "event": "walk"}', "line 2, event: Input should be 'start'"),
        ('{"time": "t", "event": "start"}', "line 2, stage: Field required"),
    ],
)
def test_a_damaged_line_is_refused(tmp_path, line, reason):
    emit(tmp_path, "a", "start")
    with (tmp_path / FILE).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(RunError, match=reason):
        read_events(tmp_path)


def test_unknown_keys_are_ignored(tmp_path):
    (tmp_path / FILE).write_text('{"time": "t", "stage": "a", "event": "end", "colour": "red"}\n')
    assert read_events(tmp_path)[0].event == "end"


def test_a_reader_gives_what_is_new(tmp_path):
    reader = EventReader(tmp_path)
    assert reader.read() == []
    emit(tmp_path, "a", "start")
    assert len(reader.read()) == 1
    assert reader.read() == []
    (tmp_path / FILE).write_text("")
    emit(tmp_path, "b", "end")
    assert [one.stage for one in reader.read()] == ["b"]


def test_a_disk_that_cannot_be_written_stops_no_work(tmp_path):
    with report_stage(tmp_path / "missing", "a"):
        report(1, 2)
    assert not (tmp_path / "missing").exists()


def test_a_stage_says_how_it_ends(tmp_path):
    with report_stage(tmp_path, "a"):
        assert note("a sentence")
    for problem in (StudyError("too deep"), InterruptedRun("stopped"), ValueError("secret")):
        with pytest.raises(type(problem)), report_stage(tmp_path, "b"):
            raise problem
    assert not note("nobody works")
    report(1, 2)
    assert [(one["event"], one.get("text", "")) for one in lines(tmp_path)] == [
        ("start", ""), ("note", "a sentence"), ("end", ""),
        ("start", ""), ("fail", "too deep"), ("start", ""), ("fail", "interrupted"),
        ("start", ""), ("fail", "ValueError"),
    ]  # fmt: skip
    assert lines(tmp_path)[0]["process"] == os.getpid()


def test_events_are_few(tmp_path, monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress_events.time, "monotonic", lambda: now)
    with report_stage(tmp_path, "a"):
        for step in range(1000):  # ten seconds of batches
            now = step / 100
            assert is_due() == (step % 100 == 0)
            report(step, 2000)
    assert len(lines(tmp_path)) == 2 + 10
    assert lines(tmp_path)[-2]["seconds_left"] == pytest.approx(11)
    with report_stage(tmp_path, "b"):
        for step in range(1, 1001):  # ten seconds of short epochs
            now += 0.01
            report(step, 1000, milestone=True, validation_loss=1.0)
    epochs = [one["step"] for one in lines(tmp_path) if one["stage"] == "b" and "step" in one]
    assert epochs[:20] == list(range(1, 21))
    assert 55 <= len(epochs) <= 65
    assert epochs[-1] == 1000


def test_parts_of_a_stage_and_child_processes_share_its_steps(tmp_path):
    code = "from bunchtrain.progress_events import report; report(2, 4, text='epoch 2/4')"
    with report_stage(tmp_path, "train.a"), report_part(1, 3, "seed 8"):
        environment = {**os.environ, **stage_environment()}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert stage_environment() == {}
    found = lines(tmp_path)[1]
    assert (found["stage"], found["step"], found["steps"]) == ("train.a", 6, 12)
    assert found["text"] == "seed 8  epoch 2/4"
    assert found["memory_mb"] > 5


def test_reports_that_are_not_written_cost_little(tmp_path):
    with report_stage(tmp_path, "a"):
        report(0, 100_000)
        began = time.perf_counter()
        for step in range(20_000):
            report(step, 100_000)
        assert (time.perf_counter() - began) / 20_000 < 1e-4  # s, also on a busy machine
