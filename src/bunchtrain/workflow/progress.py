"""What a person sees while a run works: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

console = Console(stderr=True)


def say(text: str) -> None:
    """Print one line of what happens next."""
    console.print(f"[bold]·[/] {text}", highlight=False)


@contextmanager
def counting(things: str) -> Iterator[Callable[[int], None]]:
    """Yield a function to be called with the number of things done so far."""
    bar = Progress(
        SpinnerColumn(),
        TextColumn("{task.completed:,.0f} {task.description}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )
    with bar:
        number = bar.add_task(things, total=None)
        yield lambda done: bar.update(number, completed=done)
