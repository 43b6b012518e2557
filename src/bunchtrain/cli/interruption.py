"""Signals that end the command as Ctrl-C does: what is done is kept, and a run can be resumed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: Of Ctrl-C, of `kill`, batch systems and time limits, and of a terminal that is closed.
SIGNALS = [signal.SIGINT, signal.SIGTERM]
SIGNALS += [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []
#: The first of these signals that was received.
received: list[int] = []


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for these signals, and exit with their code if it is not handled.

    So does another exception after a signal: while a compiled module is imported, the interrupt
    becomes an ImportError.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)  # nohup ignores SIGHUP
    sys.unraisablehook = _repeat
    try:
        yield
    except (KeyboardInterrupt, Exception) as problem:
        if not (received or isinstance(problem, KeyboardInterrupt)):
            raise
        print("bunchtrain: interrupted", file=sys.stderr)
        # An interrupt inside an `exec` of text, as dataclasses do, makes `python -m` end itself by
        # SIGINT, whatever the exit code; another `exec` takes that back.
        exec("")
        sys.exit(exit_code())


def exit_code() -> int:
    """Return 128 + the number of the signal: 130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP."""
    return 128 + (received[0] if received else signal.SIGINT)


def _repeat(ignored: sys.UnraisableHookArgs) -> None:
    """Send an interrupt again that Python ignored, because it came in a destructor or callback."""
    if issubclass(ignored.exc_type, KeyboardInterrupt):
        again = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(ignored)


def _interrupt(number: int, frame: FrameType | None) -> None:
    received.append(number)
    raise KeyboardInterrupt
