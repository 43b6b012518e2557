"""Problems that pydantic finds in a mapping, as one sentence: key, what it must be, what it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
from pydantic_core import ErrorDetails

from bunchtrain.errors import shorten

_MAPPING = "a mapping of keys to values"
#: Type of an error → what the value must be; names in braces are in the error's context.
EXPECTED = {
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "a whole number"),
    "int_parsing_size": "a whole number of fewer digits",
    **dict.fromkeys(("float_type", "float_parsing", "number_type"), "a number"),
    "finite_number": "a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("string_type", "string_sub_type", "string_unicode"), "a text"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "iterable_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type"), _MAPPING),
    **dict.fromkeys(("model_attributes_type", "dataclass_type", "arguments_type"), _MAPPING),
    "none_required": "null",
    "literal_error": "{expected}",
    "enum": "{expected}",
    "greater_than": "above {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "below {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "a list of {min_length} or more items",
    "too_long": "a list of {max_length} or fewer items",
    "string_too_short": "a text of at least {min_length} characters",
    "string_pattern_mismatch": "a text of the form {pattern}",
    "string_too_long": "a text of at most {max_length} characters",
    "recursion_loop": "a value that does not contain itself",
}
#: Words by which pydantic names the choices of a union, and the key of a mapping, in a location.
_CHOICE = re.compile(
    r"(int|float|str|bool|none|list|tuple|dict)$|.*\[|(function|constrained|json|lax)-|nullable"
)


def describe(problem: pydantic.ValidationError, given: object) -> tuple[str, str]:
    """Return the dotted key of the first problem, and a sentence that may follow it.

    given  what was validated.
    """
    found = [(_path(error["loc"], given), error) for error in problem.errors()]
    first = _path(problem.errors()[0]["loc"], given)
    near = [(path, error) for path, error in found if path[: len(first)] == first]
    deepest = max((path for path, _ in near), key=len)
    errors = [error for path, error in near if path == deepest]
    key = ".".join(map(str, deepest))
    return key, _sentence(errors)


def _path(location: Sequence[int | str], given: object) -> tuple[int | str, ...]:
    """Return the keys and indices of a location, without the choices of unions."""
    path: list[int | str] = []
    value: Any = given
    for word in location:
        if _has(value, word):
            value = value[word]
        elif isinstance(word, int) or _CHOICE.match(word):
            continue
        path.append(word)
    return tuple(path)


def _has(value: object, word: int | str) -> bool:
    if isinstance(value, Mapping):
        return word in value
    return isinstance(value, list | tuple) and isinstance(word, int) and word < len(value)


def _sentence(errors: list[ErrorDetails]) -> str:
    first = errors[0]
    kind, value = first["type"], first["input"]
    if kind in ("value_error", "assertion_error"):
        return first["msg"].partition(", ")[2]
    if kind == "missing" and isinstance(first["loc"][-1], int):
        return f"must be a list of more items, got {shorten(value)}"
    if kind == "missing":
        return "is missing"
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return "is not a known key; remove it"
    expected = dict.fromkeys(_expected(error) for error in errors)
    return f"must be {' or '.join(expected)}, got {shorten(value)}"


def _expected(error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if error["type"] == "model_type" and context.get("class_name") in ("Part", "Term"):
        return "the name of a part, or a mapping with its 'name' and options"
    words = {
        name: f"{one:,.10g}" if isinstance(one, int | float) else one
        for name, one in context.items()
    }
    text = EXPECTED.get(error["type"], "of another type").format(**words)
    return text.replace("a list", "a mapping") if words.get("field_type") == "Dictionary" else text
