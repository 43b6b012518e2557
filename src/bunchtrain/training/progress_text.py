"""Durations as text."""

from __future__ import annotations


def time_left(seconds: float) -> str:
    """Return a duration as text: `about 12 s left`, `about 2 h 5 min left`."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"about {rest} s left"
    hours, minutes = divmod(minutes, 60)
    return f"about {hours} h {minutes} min left" if hours else f"about {minutes} min {rest} s left"
