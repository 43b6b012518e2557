"""Exceptions: errors of the user and of the machine.

Every message is one sentence: what is wrong, where (file, key, column, entry) and what to do. The
command prints it on standard error and exits with `exit_code`; only an error in the toolkit itself
gives a traceback.
"""

from __future__ import annotations

import difflib
import errno
import os
import re
import reprlib
from collections.abc import Iterable

#: Maximum length of a message.
LONGEST = 400
#: Errors of a file that another path or permission solves.
_OF_USER = {
    *(errno.ENOENT, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM),
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EINVAL, errno.ENOTEMPTY),
}

#: Errors of a file for which there is no room: of the disk, of a quota, of the longest file.
DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class BunchtrainError(Exception):
    """Base of all errors whose message is for the user: one line of at most 400 characters."""

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(_one_line(str(message)))


class UserError(BunchtrainError):
    """Invalid input; the command exits with 2."""

    exit_code = 2


class StudyError(UserError):
    """The study file, an override or an option is wrong."""


class ExpressionError(UserError):
    """An expression cannot be parsed or evaluated."""


class DataError(UserError):
    """A file, tree, column or value in the data is missing or unusable."""


class NotInvertible(UserError):
    """A representation cannot be decoded to columns of events."""


class MissingDependency(UserError):
    """An optional library is not installed; the message has the `pip install` command."""


class RunError(UserError):
    """A run folder is missing, unfinished, changed, or of another kind than needed."""


class ExportError(UserError):
    """A model cannot be exported to the target."""


class VerificationError(BunchtrainError):
    """An exported model does not give the predictions of the model itself."""


class InterruptedRun(BunchtrainError):
    """The run stopped before its end and can be resumed."""

    exit_code = 130


class MachineError(BunchtrainError):
    """The machine failed: disk full, worker killed, out of memory."""


class DeprecatedKey(FutureWarning):
    """A key or an option has an old name, which works for one release longer."""


def file_error(problem: OSError, text: str) -> BunchtrainError:
    """Return the error of a file: of the user for a wrong path or permission, else the machine's.

    text  message, to which the reason is added.
    """
    if problem.errno in DISK_FULL:
        reason = os.strerror(problem.errno)  # that of Arrow and HDF5 is longer
        return MachineError(f"{text}: {reason}; free space and repeat the command")
    kind = UserError if problem.errno in _OF_USER else MachineError
    return kind(f"{text}: {problem.strerror or problem}")


def nearest(word: str, known: Iterable[str], count: int = 3) -> str:
    """Return "; did you mean 'a' or 'b'?" for the known words nearest to `word`, or ''."""
    names = [str(name) for name in known]
    word = str(word)[:LONGEST].lower()
    lowered = {name.lower(): name for name in names}
    found = difflib.get_close_matches(word, lowered, count, cutoff=0.6)
    if len(word) > 2:
        found += [name.lower() for name in names if word in name.lower()]
    unique = list(dict.fromkeys(lowered[name] for name in found))[:count]
    return f"; did you mean {' or '.join(repr(name) for name in unique)}?" if unique else ""


def one_of(known: Iterable[str], limit: int = 20) -> str:
    """Return the known words as a readable list, cut after `limit`."""
    names = sorted(str(name) for name in known)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def shorten(value: object, limit: int = 60, *, plain: bool = False) -> str:
    """Return a value as text for a message, with the middle of a long one left out.

    A text is quoted unless it is `plain`.
    """
    if plain:
        return _cut(str(value), limit)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, type):
        return f"the type '{value.__name__}'"
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = limit
    brief.maxlevel, brief.maxlist, brief.maxtuple, brief.maxdict = 3, 4, 4, 3
    return _cut(brief.repr(value), 2 * limit)


def _cut(text: str, limit: int) -> str:
    half = (limit - 1) // 2
    return text if len(text) <= limit else f"{text[: limit - 1 - half]}…{text[-half:]}"


def _one_line(text: str) -> str:
    """Return a message in one line of printable characters, cut where it is too long."""
    text = re.sub(r"\s*[\n\r\t]\s*", " ", text).strip()
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) > LONGEST:
        text = re.sub(r"\S{80,}", lambda found: _cut(found[0], 80), text)
    if len(text) > LONGEST:
        text = re.sub(r"'[^']{80,}'", lambda found: _cut(found[0], 80), text)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 103]} … {text[-100:]}"


def missing(package: str, extra: str, purpose: str) -> MissingDependency:
    """Return the error for an optional library that is not installed."""
    return MissingDependency(
        f"{purpose} needs {package}, which is not installed: pip install 'bunchtrain[{extra}]'"
    )
