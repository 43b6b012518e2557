"""Script that runs a program and kills it, and its children, when its own parent has ended.

`python supervisor.py PARENT PROGRAM [ARGUMENT]...` has the exit code of the program.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from types import FrameType
from typing import NoReturn


def main(parent: int, command: list[str]) -> int:
    """Run a program in its own process group and return its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)  # the parent decides
    program = subprocess.Popen(command, start_new_session=True)

    def stop(number: int = 0, frame: FrameType | None = None) -> NoReturn:
        os.killpg(program.pid, signal.SIGKILL)
        os._exit(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        stop()

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=watch, daemon=True).start()
    code = program.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
