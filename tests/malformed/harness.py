"""Runs the command on an input in its own folder, and judges how a malformed one is answered."""

import contextlib
import io
import os
import re
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from bunchtrain.cli.main import main as command
from bunchtrain.errors import LONGEST, BunchtrainError
from bunchtrain.workflow import run_study
from bunchtrain.workflow.graph import default_graph

#: Processor time until an answer, until the end of work on an input that is accepted, and waiting
#: time, in seconds.
SECONDS, WORK, WAITING = 5.0, 60.0, 120.0
#: Words of pydantic and Python that say nothing to a user.
RAW = re.compile(
    r"Input should|Extra inputs|Value error|valid dictionary|instance of|Traceback|pydantic|"
    r"NoneType|object has no attribute|<class|unhashable|not subscriptable"
)

#: Lines about progress and old names, which may come before the message.
NOTES = re.compile(r"· |bunchtrain: .*(next release will not accept|not exist in the next release)")


@dataclass(frozen=True)
class Malformed:
    """An input that must be refused.

    kind      group in which it is counted.
    name      what is wrong.
    prepare   writes its files into a folder and returns the arguments of the command, or a call.
    accepted  whether it may also be accepted, because the change may be harmless.
    """

    kind: str
    name: str
    prepare: Callable[[Path], list[str] | Callable[[], object]]
    accepted: bool = False


class TrainingReached(BaseException):
    """The input was accepted: the training would begin."""


class TookTooLong(BaseException):
    """The command did not end in time."""


@dataclass(frozen=True)
class Answer:
    """Exit code, None if the training was reached; what was printed; the traceback, or ''."""

    code: int | None
    out: str
    err: str
    fault: str = ""


def answer(
    arguments: list[str] | Callable[[], object], folder: Path, seconds: float = SECONDS
) -> Answer:
    """Return how the command, or a call, answers in a folder within a time, without training."""
    out, err, fault = io.StringIO(), io.StringIO(), ""
    code: int | None = 0
    with _in_folder(folder), _limited(seconds), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                if callable(arguments):
                    arguments()
                else:
                    sys.argv = ["bunchtrain", *arguments]
                    command()
            except BunchtrainError as problem:  # of a call in Python
                code = problem.exit_code
                err.write(f"bunchtrain: {problem}\n")
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
                if code > 128:  # a signal ends the tests, too
                    raise KeyboardInterrupt from None
            except TrainingReached:
                code = None
            except TookTooLong:
                code, fault = 1, f"more than {seconds:g} s of processor time"
            except BaseException as problem:
                last = traceback.extract_tb(problem.__traceback__)[-1]
                text = f"{type(problem).__name__}: {problem}"[:200].replace("\n", " ")
                code, fault = 1, f"{text} ({Path(last.filename).name}:{last.lineno})"
    return Answer(code, out.getvalue(), err.getvalue(), fault)


def judge(given: Malformed, place: Path) -> str:
    """Return what is wrong with the answer to a malformed input, '' if nothing is."""
    folder = place / "work"
    folder.mkdir(parents=True)
    kept = dict(os.environ)
    try:
        arguments = given.prepare(folder)
        before = _listed(place)
        found = answer(arguments, folder, WORK if given.accepted else SECONDS)
    finally:
        os.environ.clear()
        os.environ.update(kept)
    if new := sorted(_listed(place) - before):
        return f"wrote {new[0]} outside the run's folder"
    if found.fault:
        return found.fault
    if found.code in (0, None) and given.accepted:
        return ""
    if found.code in (0, None):
        return "accepted" if found.code == 0 else "accepted: the training would begin"
    lines = [line for line in found.err.splitlines() if line and not NOTES.match(line)]
    if len(lines) != 1 or not lines[0].startswith("bunchtrain: "):
        return f"{len(lines)} lines: {found.err[-200:]!r}"
    message = lines[0].removeprefix("bunchtrain: ")
    if found.code != 2:
        return f"exit code {found.code}: {message[:200]}"
    if len(message) > LONGEST:
        return f"{len(message)} characters"
    return f"raw words: {message[:200]}" if RAW.search(message) else ""


def _listed(place: Path) -> set[Path]:
    """Return the files and folders of a place and of the folder around it, runs left out."""
    found = set(place.parent.iterdir())
    for folder, folders, files in os.walk(place):
        if Path(folder) == place / "work" and "runs" in folders:
            folders.remove("runs")
        found |= {Path(folder) / name for name in [*folders, *files]}
    return found


@contextlib.contextmanager
def _in_folder(folder: Path) -> Iterator[None]:
    """Work in a folder, with the trainings replaced by the end of what is checked."""
    kept, arguments = Path.cwd(), sys.argv
    trained, concurrent = default_graph.train_seed, run_study.run_concurrently

    def reached(*given: object, **options: object) -> None:
        raise TrainingReached

    os.chdir(folder)
    default_graph.train_seed = run_study.run_concurrently = reached  # type: ignore[assignment]
    try:
        yield
    finally:
        os.chdir(kept)
        sys.argv, default_graph.train_seed = arguments, trained
        run_study.run_concurrently = concurrent


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise TookTooLong after this processor time, or the longest waiting time."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TookTooLong

    timers = ((signal.ITIMER_PROF, signal.SIGPROF, seconds),)
    timers += ((signal.ITIMER_REAL, signal.SIGALRM, WAITING),)
    kept = [signal.signal(number, stop) for _, number, _ in timers]
    for timer, _, limit in timers:
        signal.setitimer(timer, limit)
    try:
        yield
    finally:
        for (timer, number, _), handler in zip(timers, kept, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)
