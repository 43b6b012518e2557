"""The command `bunchtrain`."""

from __future__ import annotations

import gc

from bunchtrain.cli.interruption import interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> NoReturn:
    """Run the command; the imports, which take time, can be interrupted, too."""
    # Imports and figures make many objects and few cycles: a twentieth of the time of a short run.
    gc.set_threshold(10_000)
    with interruptible():
        from bunchtrain.cli.main import main
        from bunchtrain.parts import PROCESS

        PROCESS.is_command = True
        main()


__all__ = ["main"]
