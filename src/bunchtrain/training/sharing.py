"""Represented events that the trainings of one network, with different seeds, share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from bunchtrain.methods.event_store import EventStore
from bunchtrain.methods.task import Task

#: Set → its events, and the number of events in a block of those that are streamed.
Events = tuple[dict[str, EventStore], int]

_held: dict[str, Events] | None = None


@contextmanager
def shared_events() -> Iterator[None]:
    """Hold, within this block, the events of a training for the next if only its seed differs."""
    global _held
    _held = {}
    try:
        yield
    finally:
        _held = None


def held_events(task: Task) -> Events | None:
    """Return the events of an earlier training that differs by seed and folder alone, if held."""
    return _held.get(_key(task)) if _held else None


def hold_events(task: Task, events: Events) -> None:
    """Hold the events of this training, and let go of those of an earlier one."""
    if _held is not None:
        _held.clear()
        _held[_key(task)] = events


def _key(task: Task) -> str:
    plain = {k: v for k, v in asdict(task).items() if k not in ("seed", "folder")}
    return json.dumps(plain, default=str)
