"""Samples made in parts by all cores: what is made stays, what is missing is made."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from bunchtrain.errors import MachineError
from bunchtrain.files import aside

MakePart = Callable[[int], pa.Table]


class _Rate(ProgressColumn):
    """Events made in a second, since the start."""

    def render(self, task: Task) -> Text:
        made = task.completed - task.fields["begun"]
        return Text(
            f"{made / task.elapsed:,.0f} events/s" if made and task.elapsed else "– events/s"
        )


def produce(make: MakePart, paths: Sequence[Path], size: int, processes: int) -> None:
    """Write the missing ones of `paths`, `size` events each; `make(n)` gives the n-th as a table.

    Raises MachineError if a worker is killed or a file cannot be written; what is made stays.
    """
    missing = [number for number, path in enumerate(paths) if not path.exists()]
    if not missing:
        return
    jobs = [(make, number, paths[number]) for number in missing]
    with _progress() as progress:
        done = (len(paths) - len(missing)) * size
        bar = progress.add_task("events", total=len(paths) * size, completed=done, begun=done)
        if processes == 1:
            for job in jobs:
                write_part(*job)
                progress.advance(bar, size)
        else:
            _in_parallel(jobs, processes, lambda: progress.advance(bar, size))


def _in_parallel(
    jobs: Sequence[tuple[MakePart, int, Path]], processes: int, made: Callable[[], None]
) -> None:
    workers = ProcessPoolExecutor(
        min(processes, len(jobs)), get_context("spawn"), initializer=_die_at_once
    )
    try:
        for finished in as_completed([workers.submit(write_part, *job) for job in jobs]):
            finished.result()
            made()
    except BrokenProcessPool:
        raise MachineError(
            f"a worker was killed while it made events for {jobs[0][2].parent}, perhaps for lack "
            "of memory; run again, with fewer processes, to go on from the parts that are there"
        ) from None
    finally:
        workers.shutdown(cancel_futures=True)


def _die_at_once() -> None:
    # Ctrl-C goes to the whole process group; the parent alone reports it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def write_part(make: MakePart, number: int, path: Path) -> None:
    """Write one part aside, then rename it."""
    table = make(number)
    with aside(path) as beside:
        write_table(table, beside)


def write_table(table: pa.Table, path: Path, level: int | None = None) -> None:
    """Write Parquet in which the bytes of jagged numbers lie together, 40 % smaller."""
    split = [
        f"{field.name}.list.element"
        for field in table.schema
        if pa.types.is_list(field.type) and pa.types.is_floating(field.type.value_type)
    ]
    pq.write_table(
        table,
        path,
        compression="zstd",
        compression_level=level,
        use_dictionary=False,
        use_byte_stream_split=split,
    )


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
