"""The command `bunchtrain`."""

from typing import NoReturn

from bunchtrain.cli.interruption import interruptible


def main() -> NoReturn:
    """Run the command; the imports, which take time, can be interrupted, too."""
    with interruptible():
        from bunchtrain.cli.main import main
        from bunchtrain.parts import PROCESS

        PROCESS.is_command = True
        main()


__all__ = ["main"]
