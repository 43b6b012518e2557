"""Prefetching in a thread, so that training and reading overlap."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TypeVar

Item = TypeVar("Item")

_END = object()


def prefetch(items: Iterator[Item], ahead: int = 2) -> Iterator[Item]:
    """Yield the items in their order while a thread produces up to `ahead` of the next ones.

    An error of the producer is raised at its position; a consumer that stops early stops the
    thread.
    """
    ready: queue.Queue[object] = queue.Queue(ahead)
    stopped = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, stopped), daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not _END:
            if isinstance(item, _Failure):
                raise item.error
            yield item  # type: ignore[misc]  # a queue of items, errors and the end marker
    finally:
        stopped.set()
        thread.join()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _produce(items: Iterator[Item], ready: queue.Queue[object], stopped: threading.Event) -> None:
    try:
        for item in items:
            if not _put(ready, item, stopped):
                return
        _put(ready, _END, stopped)
    except BaseException as error:
        _put(ready, _Failure(error), stopped)


def _put(ready: queue.Queue[object], item: object, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            ready.put(item, timeout=0.05)
        except queue.Full:
            continue
        return True
    return False
