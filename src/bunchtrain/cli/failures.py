"""Errors of Python and of the command line as one sentence: files, memory and arguments."""

from __future__ import annotations

import typer

from bunchtrain.errors import DISK_FULL, BunchtrainError, MachineError, UserError, file_error

#: Base of click's errors, which recent releases of typer include.
_CLICK_ERROR: type[BaseException] = typer.BadParameter.__mro__[2]
#: Words of pydantic, by which typer checks values, and ours.
_WORDS = {
    "Value error, ": "",
    "Input should be a valid integer, unable to parse string as an integer": "not a whole number",
    "Input should be a valid number, unable to parse string as a number": "not a number",
    "Input should be": "must be",
    "greater than or equal to": "at least",
    ". Did you mean": "; did you mean",
}


def as_error(problem: BaseException) -> BunchtrainError | None:
    """Return the error for the user that an exception stands for, None if it is a fault of ours."""
    if isinstance(problem, BunchtrainError):
        return problem
    if isinstance(problem, _CLICK_ERROR):
        return _usage(problem)
    if isinstance(problem, OSError) and problem.filename is not None:
        return file_error(problem, str(problem.filename))
    if isinstance(problem, OSError) and problem.errno in DISK_FULL:
        return file_error(problem, "a file cannot be written")
    if isinstance(problem, MemoryError) or "can't allocate memory" in str(problem):
        return MachineError(
            "the memory of this machine is too small: use fewer --jobs, a smaller "
            "'training.batch_size', or a smaller model"
        )
    return None


def _usage(problem: BaseException) -> UserError:
    """Return the error of the arguments of a command."""
    text = problem.format_message().rstrip(".")  # type: ignore[attr-defined]
    for given, wanted in _WORDS.items():
        text = text.replace(given, wanted)
    context = getattr(problem, "ctx", None)
    command = context.command_path if context else "bunchtrain"
    return UserError(f"{text[:1].lower()}{text[1:]}; see `{command} --help`")
