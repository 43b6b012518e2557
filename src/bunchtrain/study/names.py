"""Names in a study: of files and columns, and of classes and values in plots and tables."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

#: Longest name: with those of a study, a model and a column a file name stays below 255 characters.
LONGEST = 64
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
#: Characters with a meaning in file names, TeX, HTML or the markup of the terminal.
_SPECIAL = re.compile(r"[/\\$\[\]{}<>&\"'`%#|;]")


def check_file_name(name: str) -> str:
    """Return a name that is used in files, folders and columns.

    Raises ValueError unless it has letters, digits and `_ . + -` only.
    """
    if not 1 <= len(name) <= LONGEST:
        raise ValueError(f"a name must have 1 to {LONGEST} characters, and one has {len(name)}")
    if not _FILE_NAME.fullmatch(name) or name.endswith("."):
        raise ValueError(
            f"the name {name!r} must consist of the letters a-z and A-Z, digits, '_', '-', '+' "
            "and '.', begin with a letter, a digit or '_', and not end in '.'"
        )
    return name


def check_label(name: str) -> str:
    """Return the name of a class or a value, which may have letters of any script and spaces.

    Raises ValueError for characters with a meaning in file names, TeX, HTML or markup.
    """
    if not 1 <= len(name) <= LONGEST:
        raise ValueError(f"a name must have 1 to {LONGEST} characters, and one has {len(name)}")
    if not name.isprintable() or name != name.strip() or name[0] in ".-":
        raise ValueError(f"the name {name!r} must be visible, and not begin with '.' or '-'")
    if found := _SPECIAL.search(name):
        raise ValueError(f"the name {name!r} must not contain {found[0]!r}; use letters and digits")
    return name


def _as_text(name: object) -> object:
    """Return a number as text, e.g. the year of a study or the code of a class."""
    return str(name) if isinstance(name, int | float) and not isinstance(name, bool) else name


FileName = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(check_file_name),
    Field(json_schema_extra={"pattern": f"^{_FILE_NAME.pattern}$", "maxLength": LONGEST}),
]
Label = Annotated[str, BeforeValidator(_as_text), AfterValidator(check_label)]
