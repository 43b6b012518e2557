"""Live progress of concurrent trainings on a terminal."""

from __future__ import annotations

import csv
import time
from types import TracebackType

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from bunchtrain.study import Study, model_configs
from bunchtrain.training.progress_text import time_left
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.progress import console, say
from bunchtrain.workflow.trainings import Training, training_warnings, trainings

#: Seconds between two updates.
PERIOD = 1.0


class LiveProgress:
    """A bar for each model in training, and one line for each that has finished."""

    def __init__(self, folder: RunFolder, study: Study, total: int) -> None:
        self.folder, self.study = folder, study
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[text]}"),
            TimeElapsedColumn(),
        )
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self.all = self.progress.add_task("models", total=total, text=f"of {total}")
        self.bars: dict[str, TaskID] = {}
        self.began: dict[str, float] = {}
        self.printed: dict[str, str] = {}
        self.updated = 0.0

    def __enter__(self) -> LiveProgress:
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
        """Add the bar of a model."""
        model = model_configs(self.study)[name]
        total = model.training.epochs * model.seeds
        self.bars[name] = self.progress.add_task(name, total=total, text="")
        self.began[name] = time.monotonic()
        if not console.is_terminal:
            say(f"training {name}")

    def end(self, name: str, problem: Exception | None) -> None:
        """Print how the training of a model ended, and remove its bar."""
        spent = time.monotonic() - self.began.pop(name)
        say(f"{name} failed: {problem}" if problem else f"{name} is done after {spent:.0f} s")
        for text in [] if problem else training_warnings(self.folder, self.study, name):
            say(f"warning, {name}: {text}")
        self.progress.remove_task(self.bars.pop(name))
        self.progress.advance(self.all)

    def update(self) -> None:
        """Update the bars from the training curves; without a terminal, print each epoch."""
        if time.monotonic() < self.updated + PERIOD:
            return
        self.updated = time.monotonic()
        for name, bar in self.bars.items():
            done, text = self._state(name)
            self.progress.update(bar, completed=done, text=text)
            if done and not console.is_terminal and text != self.printed.get(name):
                self.printed[name] = text
                say(f"{name}: {text}")

    def _state(self, name: str) -> tuple[int, str]:
        """Return the finished epochs of all trainings of a model, and the text of its bar."""
        model = model_configs(self.study)[name]
        every = trainings(self.folder, self.study, model)
        finished = [one for one in every if one.is_finished]
        before = len(finished) * model.training.epochs
        if len(finished) == len(every):
            return before, "predicting"
        now = every[len(finished)]
        epochs, losses, spent = _read_curve(now)
        seed = f"seed {now.seed}  " if model.seeds > 1 else ""
        missing = model.training.epochs * len(every) - before - epochs
        left = f"  {time_left(spent * missing / epochs)}" if epochs else ""
        return before + epochs, f"{seed}epoch {epochs}/{model.training.epochs}{losses}{left}"


def _read_curve(training: Training) -> tuple[int, str, float]:
    """Return the finished epochs of a training, its last losses as text, and the time in s."""
    path = training.folder / "history.csv"
    if not path.is_file():
        return 0, "", 0.0
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return 0, "", 0.0
    training_loss, validation_loss = (float(rows[-1][f"{s}_loss"]) for s in ("train", "validation"))
    text = f"  training loss {training_loss:.4g}  validation loss {validation_loss:.4g}"
    return len(rows), text, sum(float(row["seconds"]) for row in rows)
