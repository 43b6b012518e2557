"""Displays of one event as a self-contained page: hits, jets, decay trees, images."""

from bunchtrain.displays.content import Display, make_display
from bunchtrain.displays.page import fragment, page, script_hash
from bunchtrain.displays.reading import Event, read_event

__all__ = ["Display", "Event", "fragment", "make_display", "page", "read_event", "script_hash"]
