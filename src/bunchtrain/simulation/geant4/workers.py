"""Child processes that simulate parts, one for each core; a part whose child dies is run again."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bunchtrain.child_processes import child_command, child_environment
from bunchtrain.errors import MachineError
from bunchtrain.progress_bar import count_steps
from bunchtrain.progress_events import note

#: Module that a child runs.
CHILD = "bunchtrain.simulation.geant4.child"
#: Children that may die on one part.
ATTEMPTS = 2
_LINES = 3
#: Lines around the messages of Geant4.
_DECORATION = re.compile(r"-----|\*\*\* Fatal|Aborting execution")


class ChildDied(Exception):
    """A child ended before its part; the message is a sentence for the user."""


class Child:
    """A process that makes parts.

    recipe       file with the recipe.
    environment  variables beside those of this process.
    """

    def __init__(self, recipe: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            child_command(CHILD, str(recipe)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,  # Ctrl-C reaches the parent alone
            env={**os.environ, **child_environment(), "OMP_NUM_THREADS": "1", **environment},
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
            f"a Geant4 process ended with code {code} at event {event} of part {index}, seed "
            f"{seed}; its last lines: {said}"
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

    def __init__(self, recipe: Path, environment: Mapping[str, str], seed: int) -> None:
        self.recipe, self.environment, self.seed = recipe, environment, seed
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
            self.own.child = Child(self.recipe, self.environment)
            self.all.append(self.own.child)
        child: Child = self.own.child
        return child


def make_parts(
    recipe: Mapping[str, Any],
    paths: Mapping[int, Path],
    processes: int,
    environment: Mapping[str, str],
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
        workers = Workers(file, environment, int(recipe["seed"]))
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
