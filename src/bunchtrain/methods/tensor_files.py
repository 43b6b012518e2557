"""Files of tensors or arrays and plain values in the format safetensors, which contains no code.

The plain values, and the SHA-256 of everything, are JSON in the header of the file. Files of
release 0.1, `.pt`, are read by PyTorch's loader that accepts tensors and plain values alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors

from bunchtrain.errors import RunError
from bunchtrain.files import atomic_path, damaged


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping of tensors, plain values, lists and mappings of them, atomically."""
    from safetensors.torch import save

    _write(path, content, save)


def write_arrays(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping of arrays as `write_tensors` does of tensors, in the same format."""
    from safetensors.numpy import save

    _write(path, content, save)


def _write(path: Path, content: Mapping[str, Any], save: Callable[..., bytes]) -> None:
    """Write a mapping with the function of safetensors for its tensors or arrays."""
    arrays: dict[str, Any] = {}
    structure = json.dumps(_pack(content, arrays))
    header = {"structure": structure, "sha256": _digest(structure, arrays)}
    with atomic_path(path) as part:
        part.write_bytes(_sort_header(save(arrays, header)))


def _sort_header(data: bytes) -> bytes:
    """Return the content of a file with its header sorted: equal contents are equal files.

    safetensors 0.8 writes the entries of the metadata in an order that differs between calls.
    """
    size = int.from_bytes(data[:8], "little")
    content = json.loads(data[8 : 8 + size])
    text = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8 bytes
    return len(text).to_bytes(8, "little") + text + data[8 + size :]


def read_arrays(path: Path) -> dict[str, Any]:
    """Return what `write_arrays` or `write_tensors` wrote, as arrays; raises as `read_tensors`."""
    if path.suffix == ".pt":
        return dict(_to_arrays(read_tensors(path)))
    from safetensors.numpy import load

    return _checked(path, lambda: _read(path, load))


def read_tensors(path: Path) -> dict[str, Any]:
    """Return what `write_tensors` wrote, or release 0.1; no code in the file is executed.

    Raises RunError, naming the file, if it is of another kind, cut or edited, and
    FileNotFoundError if it is missing.
    """
    if path.suffix == ".pt":
        return _checked(path, lambda: _read_pickle(path))
    from safetensors.torch import load

    return _checked(path, lambda: _read(path, load))


def _checked(path: Path, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return read()
    except FileNotFoundError:
        raise
    except Exception as problem:  # of zip files, pickles and headers: whatever their readers raise
        raise damaged(path, _reason(problem)) from None


def _read_pickle(path: Path) -> dict[str, Any]:
    import torch

    _check_zip(path)
    with warnings.catch_warnings(action="ignore"):
        old: Any = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(old, dict):
        raise ValueError("it does not contain named tensors")
    return dict(old)


def _check_zip(path: Path) -> None:
    """Raise ValueError if the check sum of an entry is wrong, which PyTorch does not notice."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:
                raise ValueError("its content was edited")


def _read(path: Path, load: Callable[[bytes], dict[str, Any]]) -> dict[str, Any]:
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    tensors = load(data)
    header = json.loads(data[8 : 8 + size])["__metadata__"]
    if header["sha256"] != _digest(header["structure"], tensors):
        raise ValueError("its content was edited")
    return dict(_unpack(json.loads(header["structure"]), tensors))


def _reason(problem: Exception) -> str:
    """Return a short description of what a reader of tensors has raised."""
    if isinstance(problem, safetensors.SafetensorError):
        return "no file of the format safetensors, or cut"
    text = " ".join(str(problem).split())
    if re.search(r"weights.only|unsupported global", text, re.IGNORECASE):
        return "a pickle with code, which is not executed"
    return text[:80] if isinstance(problem, ValueError | OSError) else "not a file of tensors"


def _pack(value: Any, tensors: dict[str, Any], name: str = "") -> Any:
    """Return a value as JSON, its tensors moved into `tensors` with their dotted keys as names."""
    if isinstance(value, np.ndarray) or hasattr(value, "detach"):
        while name in tensors:
            name += "'"
        tensors[name] = _copy(value)
        return {"tensor": name}
    if isinstance(value, Mapping):
        pairs = [[key, _pack(one, tensors, _join(name, key))] for key, one in value.items()]
        return {"mapping": pairs}
    if isinstance(value, list | tuple):
        return [_pack(one, tensors, _join(name, k)) for k, one in enumerate(value)]
    return value


def _copy(value: Any) -> Any:
    """Return a contiguous copy, as tensors that share memory cannot be written."""
    if isinstance(value, np.ndarray):
        return value.copy()
    import torch

    return value.detach().cpu().clone(memory_format=torch.contiguous_format)


def _to_arrays(value: Any) -> Any:
    """Return a value with its tensors as arrays."""
    if isinstance(value, Mapping):
        return {key: _to_arrays(one) for key, one in value.items()}
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def _join(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _unpack(value: Any, tensors: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _unpack(one, tensors) for key, one in value["mapping"]}
    return value


def _digest(structure: str, tensors: Mapping[str, Any]) -> str:
    """Return the hash of plain values and tensors, the same for arrays and tensors."""
    found = hashlib.sha256(structure.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        kind = str(tensor.dtype).removeprefix("torch.")
        found.update(f"{name} torch.{kind} {tuple(tensor.shape)}".encode())
        if isinstance(tensor, np.ndarray):
            found.update(tensor.tobytes())
        elif tensor.numel():
            found.update(tensor.reshape(-1).view(_bytes()).numpy().data)
    return found.hexdigest()


def _bytes() -> Any:
    import torch

    return torch.uint8


def load_state(owner: Any, state: Mapping[str, Any], path: Path) -> None:
    """Load a state into a module or optimiser.

    Raises RunError, naming the file, if it belongs to another model.
    """
    try:
        owner.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError):
        raise RunError(
            f"{path} belongs to another model or training: restore it, or run the study again"
        ) from None
