"""In-memory cache of the represented events, for trainings that differ by their seed only."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.task import Task

#: Split → its events, and the count of events in a block of those that are streamed.
Dataset = tuple[dict[str, EventStore], int]


class DatasetCache:
    """The dataset of the last training, kept in memory for the next one."""

    def __init__(self) -> None:
        self._entries: dict[str, Dataset] | None = None

    @contextmanager
    def enable(self, *, keep: bool) -> Iterator[None]:
        """Use the dataset of the training before; `keep` that of this one for the next context."""
        self._entries, kept = self._entries or {}, False
        try:
            yield
            kept = keep
        finally:
            self._entries = self._entries if kept else None

    def get(self, task: Task) -> Dataset | None:
        """Return the dataset of a task that differs at most by seed and folder, if cached."""
        return self._entries.get(_key(task)) if self._entries else None

    def put(self, task: Task, dataset: Dataset) -> None:
        """Replace the cached dataset, if the cache is enabled."""
        if self._entries is not None:
            self._entries.clear()
            self._entries[_key(task)] = dataset


def _key(task: Task) -> str:
    plain = {k: v for k, v in task.as_dict().items() if k not in ("seed", "folder")}
    return json.dumps(plain, default=str)


#: The cache of this process.
DATASET_CACHE = DatasetCache()
