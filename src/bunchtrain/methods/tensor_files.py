"""Files of tensors and plain values in the format safetensors, which contains no code.

The plain values, and the SHA-256 of everything, are JSON in the header of the file. Files of
release 0.1, `.pt`, are read by PyTorch's loader that accepts tensors and plain values alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load, save
from torch import Tensor

from bunchtrain.errors import RunError
from bunchtrain.files import atomic_path, damaged


def write_tensors(path: Path, content: Mapping[str, Any]) -> None:
    """Write a mapping of tensors, plain values, lists and mappings of them, atomically."""
    tensors: dict[str, Tensor] = {}
    structure = json.dumps(_pack(content, tensors))
    header = {"structure": structure, "sha256": _digest(structure, tensors)}
    with atomic_path(path) as part:
        part.write_bytes(save(tensors, header))


def read_tensors(path: Path) -> dict[str, Any]:
    """Return what `write_tensors` wrote, or release 0.1; no code in the file is executed.

    Raises RunError, naming the file, if it is of another kind, cut or edited, and
    FileNotFoundError if it is missing.
    """
    try:
        if path.suffix == ".pt":
            _check_zip(path)
            with warnings.catch_warnings(action="ignore"):
                old: Any = torch.load(path, map_location="cpu", weights_only=True)
            if not isinstance(old, dict):
                raise ValueError("it does not contain named tensors")
            return dict(old)
        return _read(path)
    except FileNotFoundError:
        raise
    except Exception as problem:  # of zip files, pickles and headers: whatever their readers raise
        raise damaged(path, _reason(problem)) from None


def _check_zip(path: Path) -> None:
    """Raise ValueError if the check sum of an entry is wrong, which PyTorch does not notice."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            if file.testzip() is not None:
                raise ValueError("its content was edited")


def _read(path: Path) -> dict[str, Any]:
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


def _pack(value: Any, tensors: dict[str, Tensor], name: str = "") -> Any:
    """Return a value as JSON, its tensors moved into `tensors` with their dotted keys as names."""
    if isinstance(value, Tensor):
        while name in tensors:
            name += "'"
        # Copied, as tensors that share memory cannot be written.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, Mapping):
        pairs = [[key, _pack(one, tensors, _join(name, key))] for key, one in value.items()]
        return {"mapping": pairs}
    if isinstance(value, list | tuple):
        return [_pack(one, tensors, _join(name, k)) for k, one in enumerate(value)]
    return value


def _join(name: str, key: object) -> str:
    return f"{name}.{key}" if name else str(key)


def _unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(one, tensors) for one in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return tensors[value["tensor"]]
        return {key: _unpack(one, tensors) for key, one in value["mapping"]}
    return value


def _digest(structure: str, tensors: Mapping[str, Tensor]) -> str:
    found = hashlib.sha256(structure.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        if tensor.numel():
            found.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()


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
