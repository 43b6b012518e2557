"""Progress of a run: the state of its stages from their events, and lines for the user."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from rich.console import Console

from bunchtrain.progress_events import EventReader, ProgressEvent, note, read_events
from bunchtrain.workflow.folder import RunFolder

console = Console(stderr=True, markup=False)
#: Seconds between two looks at the events of a running run.
LOOK = 0.25
State = Literal["running", "finished", "reused", "failed", "interrupted"]
#: Stage of the events that are about the run as a whole.
RUN = ""


def say(text: str) -> None:
    """Report a sentence: in the events of the stage that is running, or else printed."""
    if not note(text):
        print_line(text)


def print_line(text: str) -> None:
    """Print one line about what is done."""
    console.print(f"· {text}", highlight=False, soft_wrap=True)


@dataclass(frozen=True)
class StageProgress:
    """How far a stage is.

    state    a stage is interrupted if the process that ran it has ended without saying how.
    started  when it started, ISO 8601 in UTC.
    seconds  since then, until its last event.

    The others are those of its events, the last of each; `memory_mb` is the largest.
    """

    stage: str
    state: State = "running"
    started: str = ""
    seconds: float = 0.0
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    validation_loss: float | None = None
    rate: float | None = None
    seconds_left: float | None = None
    memory_mb: float | None = None
    process: int | None = None
    host: str = ""
    text: str = ""

    def add(self, event: ProgressEvent) -> StageProgress:
        """Return the progress after another event of this stage."""
        if event.event == "start":
            return StageProgress(
                self.stage, started=event.time, process=event.process, host=event.host
            )
        if event.event == "note":
            return self
        ends: dict[str, State] = {"end": "finished", "fail": "failed", "reuse": "reused"}
        names = ("step", "steps", "loss", "validation_loss", "rate", "text")
        new = {name: value for name in names if (value := getattr(event, name)) not in (None, "")}
        started = self.started or event.time
        return replace(
            self,
            **new,
            state=ends.get(event.event, "running"),
            started=started,
            seconds=_moment(event.time) - _moment(started),
            seconds_left=event.seconds_left,
            memory_mb=max(filter(None, (self.memory_mb, event.memory_mb)), default=None),
        )


def _moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def summarise(events: Iterable[ProgressEvent]) -> dict[str, StageProgress]:
    """Return stage → how far it is after these events, in the order of their starts."""
    found: dict[str, StageProgress] = {}
    for event in events:
        found[event.stage] = found.get(event.stage, StageProgress(event.stage)).add(event)
    return found


def progress(path: Path | str) -> dict[str, StageProgress]:
    """Return how far the stages of a run are: of one that is running, or has ended in any way.

    path  folder of the run.

    A stage whose process was killed, on this machine, is interrupted, as are all that have not
    ended when the run has.

    Raises RunError if there is no run in this folder, or a line of its `events.jsonl` is damaged.
    """
    folder = RunFolder.open(path)
    return _with_processes(summarise(read_events(folder.path)), folder.state == "running")


def _with_processes(
    found: Mapping[str, StageProgress], is_running: bool
) -> dict[str, StageProgress]:
    """Return the progress of stages, without those as running whose run or process has ended."""
    run = found.get(RUN)
    is_running = is_running and (run is None or _is_alive(run))
    began = run.started if run is not None else ""
    return {
        name: one if is_running and one.started >= began and _is_alive(one) else _stopped(one)
        for name, one in found.items()
        if name != RUN
    }


def _stopped(one: StageProgress) -> StageProgress:
    ended = one.state != "running"
    return one if ended else replace(one, state="interrupted", seconds_left=None)


def _is_alive(one: StageProgress) -> bool:
    """Return whether the process of a stage exists; those of other machines are not known."""
    if one.process is None or one.host != socket.gethostname():
        return True
    try:
        os.kill(one.process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # of another user
        return True
    return True


def follow(path: Path | str) -> Iterator[ProgressEvent]:
    """Yield the events of a run from its first one on, as they come, until the run has ended.

    path  folder of the run.

    Raises RunError if there is no run in this folder, or a line of its `events.jsonl` is damaged.
    """
    folder = RunFolder.open(path)
    reader, run = EventReader(folder.path), StageProgress(RUN)
    while True:
        is_running = folder.state == "running" and _is_alive(run)
        for event in reader.read():
            run = run.add(event) if event.stage == RUN else run
            yield event
        if not is_running:
            return
        time.sleep(LOOK)
