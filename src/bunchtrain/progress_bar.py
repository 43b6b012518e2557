"""Progress of work that may be that of a stage or not: reported to the stage, or shown as a bar."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bunchtrain.progress_events import is_in_stage, report


@contextmanager
def count_steps(
    what: str, total: int | None, done: int = 0, amount: Callable[[int], str] = "{:,}".format
) -> Iterator[Callable[[int], None]]:
    """Yield a function that is called with the number of steps after each piece of the work.

    what    is done, e.g. `top.parquet`, `events`.
    total   number of steps, if known.
    done    steps that were done before.
    amount  returns a number of steps as text, e.g. `12 MB`.
    """

    def text() -> str:
        of = f" of {amount(total)}" if total else ""
        return f"{what}: {amount(done)}{of}"

    def advance(steps: int) -> None:
        nonlocal done
        done += steps
        report(done, total, text=text())

    report(done, total, text=text())
    if is_in_stage():
        yield advance
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True, markup=False)) as bar:
        task = bar.add_task(text(), total=total, completed=done)

        def show(steps: int) -> None:
            advance(steps)
            bar.update(task, completed=done, description=text())

        yield show
