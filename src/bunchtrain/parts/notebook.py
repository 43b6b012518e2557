"""Classes defined in a notebook or a script as parts: their source is written to a file."""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.files import cache_folder, write_text


def class_name(part: type[Any]) -> str:
    """Return the name by which a study names a class: of the toolkit, of a file, or of a notebook.

    The source of a class of a notebook is written to the cache, with the imports, functions and
    constants that it uses.

    Raises StudyError if its source is not available.
    """
    if part.__module__.startswith("bunchtrain."):
        return part.__module__.rpartition(".")[2]
    if "." in part.__qualname__:
        raise StudyError(f"class '{part.__qualname__}' must be defined at the top level")
    file = getattr(sys.modules.get(part.__module__), "__file__", None)
    if file is not None and part.__module__ != "__main__":
        return f"{file}:{part.__name__}"
    text = "\n".join(["from __future__ import annotations", *_definitions(part, set()), ""])
    folder = cache_folder() / "notebook_parts" / hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder.absolute() / f"{part.__name__}.py"
    write_text(path, text)
    return f"{path}:{part.__name__}"


def replace_classes(content: Any) -> Any:
    """Return plain data in which classes are replaced by their names."""
    if inspect.isclass(content):
        return class_name(content)
    if isinstance(content, Mapping):
        return {key: replace_classes(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [replace_classes(value) for value in content]
    return content


def _definitions(wanted: Any, done: set[str]) -> Iterator[str]:
    """Yield the source of a class or function, after what it uses of its notebook."""
    source, namespace = _source(wanted), vars(sys.modules[wanted.__module__])
    done.add(wanted.__name__)
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    for name in sorted((used & set(namespace)) - done):
        done.add(name)
        value = namespace[name]
        module = getattr(value, "__module__", None)
        if inspect.ismodule(value):
            yield f"import {value.__name__} as {name}"
        elif module == wanted.__module__ and (inspect.isclass(value) or inspect.isfunction(value)):
            yield from _definitions(value, done)
        elif module and hasattr(value, "__name__"):
            yield f"from {module} import {value.__name__} as {name}"
        else:
            yield f"{name} = {value!r}"
    yield source


def _source(wanted: Any) -> str:
    """Return the source of a class or function, found by the code of one of its functions."""
    functions = [wanted, *vars(wanted).values()] if inspect.isclass(wanted) else [wanted]
    code = next((f.__code__ for f in functions if hasattr(f, "__code__")), None)
    text = "".join(linecache.getlines(code.co_filename)) if code else ""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == wanted.__name__:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    raise StudyError(
        f"the source of '{wanted.__name__}' is not available: write it to a file and name it as "
        f"'./my_file.py:{wanted.__name__}'"
    )
