"""Child processes that simulate parts, one for each core; a part whose child dies is run again.

A child reads lines `INDEX PATH` from its standard input and writes JSON lines to its standard
output: `{"event": k}` before an event and `{"done": INDEX}` when a part is in its file. What its
libraries print goes to the standard error.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from bunchtrain.child_processes import child_command, child_environment
from bunchtrain.errors import MachineError
from bunchtrain.progress_bar import count_steps
from bunchtrain.progress_events import note

#: Children that may die on one part.
ATTEMPTS = 2
_LINES = 3
#: Lines around the messages of Geant4.
_DECORATION = re.compile(r"-----|\*\*\* Fatal|Aborting execution")


Say = Callable[..., None]


@dataclass(frozen=True)
class Program:
    """What the children run.

    module       of a child, which calls `serve`.
    title        of the program, for messages.
    environment  variables of the children beside those of this process.
    """

    module: str
    title: str
    environment: Mapping[str, str] = field(default_factory=dict)


class Parts(Protocol):
    """Writes parts of a sample, in a child."""

    def write(self, index: int, path: Path) -> None:
        """Simulate a part and write it."""


class ChildDied(Exception):
    """A child ended before its part; the message is a sentence for the user."""


class Child:
    """A process that makes parts.

    program  what it runs.
    recipe   file with the recipe.
    """

    def __init__(self, program: Program, recipe: Path) -> None:
        self.title = program.title
        variables = {"OMP_NUM_THREADS": "1", **program.environment}
        self.process = subprocess.Popen(
            child_command(program.module, str(recipe)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,  # Ctrl-C reaches the parent alone
            env={**os.environ, **child_environment(), **variables},
        )
        self.last: deque[str] = deque(maxlen=_LINES)
        self.reader = threading.Thread(target=self._read_messages, daemon=True)
        self.reader.start()

    def make(self, index: int, path: Path, seed: int) -> None:
        """Make a part; ChildDied if the process ends before it is there."""
        event = 0
        if self._ask(f"{index} {path}\n"):
            for line in self.process.stdout or ():
                message = json.loads(line)
                if message.get("done") == index:
                    return
                event = message.get("event", event)
        code = self.process.wait()
        self.reader.join()
        said = " / ".join(self.last) or "nothing"
        raise ChildDied(
            f"a process of {self.title} ended with code {code} at event {event} of part {index}, "
            f"seed {seed}; its last lines: {said}"
        )

    def stop(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # of a request that a dead child did not read
                    continue

    def _ask(self, text: str) -> bool:
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(text)
            self.process.stdin.flush()
        except BrokenPipeError:
            return False
        return True

    def _read_messages(self) -> None:
        for line in self.process.stderr or ():
            if line.strip() and not _DECORATION.search(line):
                self.last.append(line.strip()[:100])


class Workers:
    """Children, one for each thread that makes parts."""

    def __init__(self, program: Program, recipe: Path, seed: int) -> None:
        self.program, self.recipe, self.seed = program, recipe, seed
        self.own = threading.local()
        self.all: list[Child] = []
        self.is_stopped = False

    def make(self, index: int, path: Path) -> list[str]:
        """Make a part, and return what is to be said about it.

        Raises MachineError if it fails twice.
        """
        said = list[str]()
        while True:
            try:
                self._child().make(index, path, self.seed)
                return said
            except ChildDied as problem:
                self.own.child = None
                if self.is_stopped:
                    raise
                said.append(f"{problem}; the part is run again")
                if len(said) == ATTEMPTS:
                    raise MachineError(f"{problem} ({ATTEMPTS} times)") from None

    def stop(self) -> None:
        """End all children."""
        self.is_stopped = True
        for child in self.all:
            child.stop()

    def _child(self) -> Child:
        if getattr(self.own, "child", None) is None:
            self.own.child = Child(self.program, self.recipe)
            self.all.append(self.own.child)
        child: Child = self.own.child
        return child


def make_parts(
    program: Program, recipe: Mapping[str, Any], paths: Mapping[int, Path], processes: int
) -> None:
    """Write parts of a sample, by index, with at most `processes` children.

    Raises MachineError, with the event, the seed and the last lines, if a part fails twice; the
    parts that are finished are kept.
    """
    size = int(recipe["part"])
    with (
        count_steps("events", len(paths) * size) as advance,
        TemporaryDirectory() as folder,
        _threads(min(processes, len(paths))) as threads,
    ):
        file = Path(folder) / "recipe.json"
        file.write_text(json.dumps(recipe), encoding="utf-8")
        workers = Workers(program, file, int(recipe["seed"]))
        try:
            jobs = [threads.submit(workers.make, *one) for one in sorted(paths.items())]
            for job in as_completed(jobs):
                _report(job.result())
                advance(size)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            workers.stop()


@contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Yield threads, which must live as long as their children: these end with their thread."""
    threads = ThreadPoolExecutor(count)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _report(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        if not note(sentence):
            print(f"bunchtrain: {sentence}", file=sys.stderr)


def serve(file: str, begin: Callable[[Mapping[str, Any], Say], Parts]) -> None:
    """Make the parts of the lines of the standard input, until it ends; a child's main function.

    file   with the recipe.
    begin  is called with the recipe and with a function that writes a message to the parent.
    """
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # libraries print to the standard output

    def say(**message: int) -> None:
        messages.write(json.dumps(message) + "\n")
        messages.flush()

    parts = begin(json.loads(Path(file).read_text(encoding="utf-8")), say)
    for line in sys.stdin:
        index, _, path = line.rstrip("\n").partition(" ")
        parts.write(int(index), Path(path))
        say(done=int(index))
