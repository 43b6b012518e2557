"""What a person sees while several members are trained at once."""

from __future__ import annotations

import csv
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bunchtrain.study import Study, model_configs
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.progress import console, say
from bunchtrain.workflow.trainings import Training, trainings

#: Seconds between two looks at the curves of the members.
PERIOD = 1.0


class Board:
    """A bar for each member that is trained now, and one line for each that has ended."""

    def __init__(self, folder: RunFolder, study: Study, total: int) -> None:
        self.folder, self.study = folder, study
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
        )
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self.all = self.progress.add_task("members", total=total, text=f"of {total}")
        self.bars: dict[str, TaskID] = {}
        self.began: dict[str, float] = {}
        self.looked = 0.0

    def __enter__(self) -> Board:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.progress.stop()

    def begin(self, name: str) -> None:
        """Show that a member is being trained."""
        member = model_configs(self.study)[name]
        total = member.training.epochs * member.seeds
        self.bars[name] = self.progress.add_task(name, total=total, text="")
        self.began[name] = time.monotonic()
        if not console.is_terminal:
            say(f"training {name}")

    def end(self, name: str, problem: Exception | None) -> None:
        """Say how a member ended, and take its bar away."""
        spent = time.monotonic() - self.began.pop(name)
        say(f"{name} failed: {problem}" if problem else f"{name} is done after {spent:.0f} s")
        self.progress.remove_task(self.bars.pop(name))
        self.progress.advance(self.all)

    def update(self) -> None:
        """Move the bars to what the members' curves say."""
        if not console.is_terminal or time.monotonic() < self.looked + PERIOD:
            return
        self.looked = time.monotonic()
        for name, bar in self.bars.items():
            done, text = self._state(name)
            self.progress.update(bar, completed=done, text=text)

    def _state(self, name: str) -> tuple[int, str]:
        """Return the epochs done by all trainings of a member, and what is to be said."""
        member = model_configs(self.study)[name]
        all_of_them = trainings(self.folder, self.study, member)
        finished = [one for one in all_of_them if one.is_finished]
        before = len(finished) * member.training.epochs
        if len(finished) == len(all_of_them):
            return before, "predicting"
        now = all_of_them[len(finished)]
        epochs, loss = curve(now)
        seed = f"seed {now.seed}  " if member.seeds > 1 else ""
        shown = f"  validation {loss}" if loss else ""
        return before + epochs, f"{seed}epoch {epochs}/{member.training.epochs}{shown}"


def curve(training: Training) -> tuple[int, str]:
    """Return the epochs that a training has done and its last validation loss."""
    path = training.folder / "history.csv"
    if not path.is_file():
        return 0, ""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return len(rows), f"{float(rows[-1]['validation_loss']):.4f}" if rows else ""
