"""The progress of a run while it is running: a table on a terminal or in a notebook, else lines."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from bunchtrain.progress_events import EventReader, ProgressEvent
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.progress import LOOK, RUN, StageProgress, console

#: What the stages of the default graph do; `None` for those that take no time.
_VERBS = {
    "source": None,
    "prepare": "preparing the events",
    "train": "training",
    "predict": "predicting the test set with",
    "predictions": None,
    "evaluate": "evaluating",
    "export": "exporting to",
    "report": "writing the report",
}


def describe(stage: str) -> str:
    """Return what a stage does: `training pfn` for `train.pfn`; '' if that takes no time."""
    kind, _, name = stage.partition(".")
    return " ".join(filter(None, (_VERBS.get(kind, f"stage {kind}"), name)))


def time_left(seconds: float) -> str:
    """Return a duration as text: `about 12 s left`, `about 2 h 5 min left`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"about {rest} s left"
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min left" if hours else f"about {minutes} min {rest} s left"


class _Log:
    """Lines on standard error, without a table."""

    has_table = False

    def print(self, line: str) -> None:
        """Print a line."""
        console.print(line, highlight=False, soft_wrap=True)

    def update(self, table: Table) -> None:
        """Draw the table in place of the last one."""

    def close(self) -> None:
        """Remove the table."""


class _Terminal(_Log):
    """Lines on a terminal, and the table below them."""

    has_table = True

    def __init__(self) -> None:
        self.live = Live(console=console, auto_refresh=False, transient=True)
        self.live.start()

    def update(self, table: Table) -> None:
        self.live.update(table, refresh=True)

    def close(self) -> None:
        self.live.stop()


class _Notebook(_Log):
    """Lines and table as the output of a cell, which is updated."""

    has_table = True

    def __init__(self) -> None:
        from IPython.display import HTML, display

        self.lines: list[str] = []
        self.html: Any = HTML
        show: Any = display
        self.handle: Any = show(self.html(""), display_id=True)  # type: ignore[no-untyped-call]

    def print(self, line: str) -> None:
        self.lines.append(line)

    def update(self, table: Table | None) -> None:
        page = Console(record=True, width=120, file=io.StringIO(), force_jupyter=False)
        for line in self.lines:
            page.print(line, highlight=False, markup=False, soft_wrap=True)
        if table is not None:
            page.print(table)
        text = page.export_html(inline_styles=True, code_format="<pre>{code}</pre>")
        self.handle.update(self.html(text))

    def close(self) -> None:
        self.update(None)


def _screen() -> _Log:
    if console.is_jupyter:
        return _Notebook()
    return _Terminal() if console.is_terminal and not console.is_dumb_terminal else _Log()


@contextmanager
def live_progress(folder: RunFolder, stages: int) -> Iterator[None]:
    """Show the events of a run while this context runs it.

    folder  of the run.
    stages  how many there are.
    """
    reader = EventReader(folder.path)
    reader.skip()
    shown, stop = _Progress(reader, stages, _screen()), threading.Event()
    thread = threading.Thread(target=shown.until, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class _Progress:
    """The stages of a run, and what is shown of them."""

    def __init__(self, reader: EventReader, stages: int, screen: _Log) -> None:
        self.reader, self.stages, self.screen = reader, stages, screen
        self.known: dict[str, StageProgress] = {}
        self.failed: dict[str, str] = {}  # not printed yet
        self.failures = 0

    def until(self, stop: threading.Event) -> None:
        """Show events until the run has ended."""
        try:
            is_over = False
            while not is_over:
                is_over = stop.wait(LOOK)
                for event in self.reader.read(strict=False):
                    self.add(event)
                if self.screen.has_table:
                    self.screen.update(self.table())
            if self.failures > 1:  # a single one is the error of the run
                self._print_failures()
        finally:
            self.screen.close()

    def add(self, event: ProgressEvent) -> None:
        """Print what an event tells, and keep the rest for the table."""
        stage, before = event.stage, self.known.get(event.stage)
        if event.event == "note":
            self.screen.print(f"· {event.text}")
            return
        if stage == RUN:
            return
        now = self.known[stage] = (before or StageProgress(stage)).add(event)
        if event.event == "fail":
            if event.text != "interrupted" and (before is None or before.state != "failed"):
                self.failed[stage] = event.text
                self.failures += 1
            return
        if event.event in ("start", "reuse"):
            self._print_failures()
        if event.event == "reuse":
            self.screen.print(f"· {stage}: unchanged, taken from {event.text}")
        elif event.event == "end":
            if describe(stage) and (self.screen.has_table or self._running()):
                self.screen.print(f"· {_ending(now)}")
        elif not self.screen.has_table:
            self._print(event)

    def _running(self) -> list[StageProgress]:
        return [one for one in self.known.values() if one.state == "running"]

    def _print_failures(self) -> None:
        for stage, text in self.failed.items():
            self.screen.print(f"· {describe(stage) or stage} failed: {text}")
        self.failed.clear()

    def _print(self, event: ProgressEvent) -> None:
        """Print the start of a stage, and the end of an epoch or round."""
        if event.event == "start" and describe(event.stage):
            self.screen.print(f"· {describe(event.stage)}")
        if event.validation_loss is None:
            return
        text = "  ".join(filter(None, (
            event.text,
            None if event.loss is None else f"training loss {event.loss:.4g}",
            f"validation loss {event.validation_loss:.4g}",
            None if event.seconds_left is None else time_left(event.seconds_left),
        )))  # fmt: skip
        alone = len(self._running()) == 1
        line = f"  {text}" if alone else f"· {event.stage.partition('.')[2] or event.stage}: {text}"
        self.screen.print(line)

    def table(self) -> Table:
        """Return a row for each running stage."""
        made = Table.grid(padding=(0, 2), expand=False)
        for _ in range(8):
            made.add_column(no_wrap=True, overflow="ellipsis")
        made.columns[0].max_width = 36
        for one in self._running():
            if describe(one.stage) or one.step is not None:
                made.add_row(*_row(one))
        done = len(self.known) - len(self._running())
        made.add_row(f"{min(done, self.stages)} of {self.stages} stages")
        return made


def _row(one: StageProgress) -> list[Any]:
    losses = ["", ""]
    if one.loss is not None:
        losses[0] = f"loss {one.loss:.4g}"
    if one.validation_loss is not None:
        losses[1] = f"validation {one.validation_loss:.4g}"
    return [
        describe(one.stage) or one.stage,
        ProgressBar(one.steps, one.step or 0, width=20) if one.steps else "",
        one.text,
        *losses,
        "" if one.rate is None else f"{one.rate:,.0f} events/s",
        "" if one.seconds_left is None else time_left(one.seconds_left),
        "" if one.memory_mb is None else f"{one.memory_mb:,.0f} MB",
    ]


def _ending(one: StageProgress) -> str:
    """Return how a stage ended: `training pfn is done after 12 s, validation loss 0.31`."""
    seconds = f"{one.seconds:.0f}" if one.seconds >= 10 else f"{one.seconds:.2g}"
    loss = "" if one.validation_loss is None else f", validation loss {one.validation_loss:.4g}"
    return f"{describe(one.stage)} is done after {seconds} s{loss}"
