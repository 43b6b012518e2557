"""Summaries of parts, read from their files without importing them.

To parse the files of all parts takes seconds, so that what was read is kept in the cache folder by
the hash of each file.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import astuple, dataclass
from typing import Any

from bunchtrain.errors import BunchtrainError
from bunchtrain.files import cache_folder, read_json, write_json
from bunchtrain.parts.registry import ROOT, find, locate

#: Name of the file in the cache folder: hash of a part's name and file → summary and paper.
FILE = "parts.json"
_PAPER = r"\b(\d{4}\.\d{4,5}|hep-(?:ph|ex)/\d{7}|[a-z]+-[a-z]+/\d{7})\b"


@dataclass(frozen=True)
class Description:
    """First sentence of a part's documentation, and the arXiv number in it or ''."""

    summary: str
    paper: str


def describe(kind: str, name: str) -> Description:
    """Return summary and paper of a part; those of the toolkit are read without importing them."""
    if content := _content(kind, name):
        return _parse(name, content)
    found = find(kind, name)
    return _describe(inspect.getdoc(found) or "", inspect.getdoc(inspect.getmodule(found)) or "")


def describe_all(kinds: Iterable[str]) -> dict[tuple[str, str], Description]:
    """Return (kind, name) → summary and paper of all parts of some kinds, sorted by name."""
    path, known = cache_folder() / FILE, _read()
    found: dict[tuple[str, str], Description] = {}
    kept: dict[str, tuple[Any, ...]] = {}
    for kind in kinds:
        for name in sorted(locate(kind)):
            content = _content(kind, name)
            key = hashlib.sha256(name.encode() + content).hexdigest() if content else ""
            one = known.get(key) or describe(kind, name)
            found[kind, name] = one
            if key:
                kept[key] = astuple(one)
    if not kept.keys() <= known.keys():
        with suppress(BunchtrainError, OSError):  # then they are read again
            write_json(path, kept)
    return found


def _read() -> dict[str, Description]:
    """Return hash → description of the file in the cache folder, {} without one."""
    try:
        content = read_json(cache_folder() / FILE, dict[str, tuple[str, str]])
    except (BunchtrainError, OSError):
        return {}
    return {key: Description(*texts) for key, texts in content.items()}


def _content(kind: str, name: str) -> bytes:
    """Return the content of the file of a part of the toolkit, b'' of others."""
    path, _, attribute = locate(kind).get(name, ":").partition(":")
    if not path or attribute:
        return b""
    return ROOT.parent.joinpath(*path.split(".")).with_suffix(".py").read_bytes()


def _parse(name: str, content: bytes) -> Description:
    tree = ast.parse(content)
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef))
    wanted = name.replace("_", "")
    part = next(node for node in classes if node.name.lower() == wanted)
    return _describe(ast.get_docstring(part) or "", ast.get_docstring(tree) or "")


def _describe(own: str, module: str) -> Description:
    number = re.search(_PAPER, own + module)
    text = " ".join((own or module).split())
    summary = re.split(r"(?<=\.)\s", text, maxsplit=1)[0]
    return Description(summary, number.group(0) if number else "")
