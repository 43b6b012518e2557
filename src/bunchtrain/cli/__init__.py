"""The command `bunchtrain`."""

from bunchtrain.cli.main import main

__all__ = ["main"]
