"""Progress of the stages of a run: a stream of events, `events.jsonl` in the folder of the run.

Whoever does the work appends lines, in whatever process; terminal, report and notebook read them.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from bunchtrain.errors import BunchtrainError, InterruptedRun, file_error
from bunchtrain.files import damaged

FILE = "events.jsonl"
#: Environment variable of a child process: the stage that it works for, as JSON.
_STAGE = "BUNCHTRAIN_STAGE"
#: Seconds between two events of a stage, and between two ends of epochs after the first ones.
PERIOD, MILESTONE_PERIOD, FIRST_MILESTONES = 1.0, 0.25, 20
_LONGEST = 4096  # bytes at the end of the file, in which a line that was cut off begins

Kind = Literal["start", "progress", "note", "end", "fail", "reuse"]


@dataclass(frozen=True)
class ProgressEvent:
    """One line of the stream.

    time             of the event, ISO 8601 in UTC.
    stage            name of the stage.
    event            what happened; a `note` is a sentence for the user.
    step             work that is done, in batches, rounds, events or epochs.
    steps            all of it, where it is known.
    loss             training loss: of the batch, or of the epoch that has ended.
    validation_loss  of the epoch or round that has ended.
    rate             events per second.
    seconds_left     estimated for the rest of the stage.
    memory_mb        resident memory of the process in 2²⁰ bytes.
    process          number of the process that started the stage.
    host             name of its machine.
    text             what the step is, e.g. `epoch 3/10`, a note, or why the stage failed.
    """

    time: str
    stage: str
    event: Kind
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


_LINE = TypeAdapter(ProgressEvent)


def emit(folder: Path, stage: str, event: Kind, **fields: Any) -> None:
    """Append an event of a stage to the stream of a run.

    fields  other attributes of `ProgressEvent`; numbers that are not finite are left out.

    Where the stream cannot be written, e.g. on a full disk, the event is lost: no result depends
    on it, and the work fails with its own message.
    """
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    given = {name: value for name, value in fields.items() if _is_given(value)}
    content = {"time": now, "stage": stage, "event": event, **given}
    line = (json.dumps(content, default=float) + "\n").encode()
    with suppress(OSError):
        file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            # Appending is atomic on a local disk; on a network disk, only with the lock.
            with suppress(OSError):
                fcntl.lockf(file, fcntl.LOCK_EX)
            _remove_cut_line(file)
            os.write(file, line)
        finally:
            os.close(file)


def _is_given(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return value is not None and value != ""


def _remove_cut_line(file: int) -> None:
    """Remove a last line without end, of a process that was killed or a disk that was full."""
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        start = max(0, size - _LONGEST)
        os.ftruncate(file, start + os.pread(file, size - start, start).rfind(b"\n") + 1)


class EventReader:
    """Reads the stream of a run as it grows; a line that is being written is left for later."""

    def __init__(self, folder: Path) -> None:
        self.path, self.offset, self.lines = folder / FILE, 0, 0

    def skip(self) -> None:
        """Leave out all events until now."""
        self.offset = self.path.stat().st_size if self.path.is_file() else 0

    def read(self, *, strict: bool = True) -> list[ProgressEvent]:
        """Return the events since the last call.

        Raises RunError, naming the line, if one is damaged, UserError if the file cannot be
        read; if not `strict`, both are left out.
        """
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_size < self.offset:
                    self.offset = self.lines = 0  # the file was written again
                file.seek(self.offset)
                text = file.read()
        except FileNotFoundError:
            return []
        except OSError as problem:
            if not strict:
                return []
            raise file_error(problem, f"{self.path} cannot be read") from None
        whole = text[: text.rfind(b"\n") + 1]
        self.offset += len(whole)
        found = [self._parse(line, strict) for line in whole.splitlines()]
        return [one for one in found if one is not None]

    def _parse(self, line: bytes, strict: bool) -> ProgressEvent | None:
        self.lines += 1
        try:
            return _LINE.validate_json(line)
        except ValidationError as problem:
            if not strict:
                return None
            first = problem.errors(include_url=False, include_input=False)[0]
            key = ".".join(map(str, first["loc"]))
            reason = f"line {self.lines}{f', {key}' if key else ''}: {first['msg']}"
        raise damaged(self.path, reason)


def read_events(folder: Path | str) -> list[ProgressEvent]:
    """Return the events of a run so far, [] if there are none.

    Raises RunError, naming the line, if one is damaged; unknown keys are ignored.
    """
    return EventReader(Path(folder)).read()


class _Clock:
    """When the last events were written, and since when which steps are done."""

    def __init__(self) -> None:
        self.last, self.milestones = -math.inf, float(FIRST_MILESTONES)
        self.filled = time.monotonic()
        self.first: tuple[float, int, int] | None = None

    def is_due(self, milestone: bool) -> bool:
        """Return whether an event may be written now."""
        now = time.monotonic()
        if not milestone:
            return now - self.last >= PERIOD
        refilled = self.milestones + (now - self.filled) / MILESTONE_PERIOD
        self.milestones, self.filled = min(FIRST_MILESTONES, refilled), now
        return self.milestones >= 1

    def count(self, milestone: bool) -> None:
        """Count an event that is written."""
        self.last = time.monotonic()
        self.milestones -= milestone

    def seconds_left(self, step: int, steps: int, more: int) -> float | None:
        """Return the time for the rest, and for `more` parts of the same size.

        The steps since the first call have taken the time since then.
        """
        now = time.monotonic()
        if self.first is None or step < self.first[1] or steps != self.first[2]:
            self.first = now, step, steps  # the first call, or that of the next file
        since, first, _ = self.first
        if step <= first:
            return None
        return (now - since) / (step - first) * (steps - step + more * steps)


@dataclass(frozen=True)
class _Reporter:
    """Writes about one stage, or about part `index` of its `count` equal parts."""

    folder: str
    stage: str
    index: int = 0
    count: int = 1
    part: str = ""
    is_silent: bool = False
    clock: _Clock = field(default_factory=_Clock)


_CURRENT: ContextVar[_Reporter | None] = ContextVar("stage", default=None)


def _current() -> _Reporter | None:
    """Return the reporter of the stage that this process works for."""
    found = _CURRENT.get()
    if found is None and (text := os.environ.get(_STAGE)):
        found = _Reporter(**json.loads(text))
        _CURRENT.set(found)
    return found


def stage_environment() -> dict[str, str]:
    """Return the environment variable by which a child process writes about the same stage."""
    found = _current()
    if found is None:
        return {}
    content = {key: value for key, value in vars(found).items() if key != "clock"}
    return {_STAGE: json.dumps(content)}


@contextmanager
def report_stage(folder: Path, stage: str) -> Iterator[None]:
    """Write the start of a stage and how it ends; `report` and `note` within are about it."""
    emit(folder, stage, "start", process=os.getpid(), host=socket.gethostname())
    token = _CURRENT.set(_Reporter(os.path.abspath(folder), stage))
    try:
        yield
    except BaseException as problem:
        stopped = isinstance(problem, KeyboardInterrupt | InterruptedRun)
        known = problem if isinstance(problem, BunchtrainError) else type(problem).__name__
        emit(folder, stage, "fail", text="interrupted" if stopped else str(known))
        raise
    finally:
        _CURRENT.reset(token)
    emit(folder, stage, "end", memory_mb=round(resident_mb(), 1))


@contextmanager
def report_nothing() -> Iterator[None]:
    """Write no progress and no sentences within: of work that is repeated many times."""
    token = _CURRENT.set(replace(_current() or _Reporter("", ""), is_silent=True))
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def report_part(index: int, count: int, text: str = "") -> Iterator[None]:
    """Count the steps within as those of part `index` of `count` equal parts of the stage."""
    found = _current()
    if found is None:
        yield
        return
    token = _CURRENT.set(replace(found, index=index, count=count, part=text, clock=_Clock()))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def is_in_stage() -> bool:
    """Return whether this process works for a stage of a run."""
    return _current() is not None


def is_due(*, milestone: bool = False) -> bool:
    """Return whether `report` would write now, so that its numbers are worth computing."""
    found = _current()
    return found is not None and not found.is_silent and found.clock.is_due(milestone)


def report(
    step: int, steps: int | None = None, *, text: str = "", milestone: bool = False, **numbers: Any
) -> None:
    """Write how far the stage is, at most once a second.

    step       work that is done.
    steps      all of it, if known: the time left is estimated from the steps since the first call.
    text       what the step is.
    milestone  True for the end of an epoch: the first 20 are written, then at most 4 a second.
    numbers    `loss`, `validation_loss` and `rate`.
    """
    found = _current()
    if found is None or found.is_silent:
        return
    left = None
    if steps is not None:
        left = found.clock.seconds_left(step, steps, found.count - found.index - 1)
        is_last = milestone and step >= steps
        step, steps = found.index * steps + step, found.count * steps
    else:
        is_last = milestone
    if not is_last and not found.clock.is_due(milestone):
        return
    found.clock.count(milestone)
    text = "  ".join(one for one in (found.part, text) if one)
    numbers |= {"seconds_left": None if left is None else round(left, 1)}
    numbers |= {"memory_mb": round(resident_mb(), 1), "text": text}
    emit(Path(found.folder), found.stage, "progress", step=step, steps=steps, **numbers)


def note(text: str) -> bool:
    """Write a sentence for the user; return False if no stage is running."""
    found = _current()
    if found is not None and not found.is_silent:
        emit(Path(found.folder), found.stage, "note", text=text)
    return found is not None


def resident_mb() -> float:
    """Return the memory of this process in 2²⁰ bytes; its peak where the system has no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
