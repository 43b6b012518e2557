"""Progress of a run: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True, markup=False)


def say(text: str) -> None:
    """Print one line about the next step."""
    console.print(f"· {text}", highlight=False, soft_wrap=True)


@contextmanager
def counting(unit: str) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the count so far, and display it."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} {task.description}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(unit, total=None)
        yield lambda done: bar.update(task, completed=done)
