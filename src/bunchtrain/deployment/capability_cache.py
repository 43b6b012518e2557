"""Disk cache of export capability checks, keyed by a hash of sources, options and tool versions.

A check traces a network, so that models are checked in several processes. A cached result is valid
for the same sources of everything that networks and targets consist of, the same file of the model
and the same versions of the tools.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata, util
from pathlib import Path

from bunchtrain import parts
from bunchtrain.child_processes import begin_worker, spawn_context
from bunchtrain.files import cache_folder, write_json

#: Packages whose versions the capabilities depend on.
TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "alkaid", "hls4ml", "numpy")

#: Modules and packages of bunchtrain that the capabilities do not depend on.
INDEPENDENT = (
    "cli",
    "evaluations",
    "plots",
    "report",
    "simulation",
    "statistics",
    "study",
    "systematics",
    "tables",
    "workflow",
)

#: Target → why it does not support a model, '' if it does.
Reasons = dict[str, str]


def cached_reasons(
    models: Sequence[str], targets: Sequence[str], report: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, Reasons]]:
    """Yield each model with the reasons why targets do not support it.

    models   names of models.
    targets  names of targets.
    report   called with the name of each model that is not in the cache.
    """
    files = {model: _file(model, targets) for model in models}
    unknown = [model for model in models if not files[model].is_file()]
    checked = _check_all(unknown, targets)
    for model in models:
        if model in unknown:
            report(model)
            files[model].parent.mkdir(parents=True, exist_ok=True)
            write_json(files[model], next(checked))
        yield model, json.loads(files[model].read_text(encoding="utf-8"))


def check_model(model: str, targets: Sequence[str]) -> Reasons:
    """Return target → why it does not support a model, '' if it does."""
    from bunchtrain.deployment.capability import capabilities

    return {one.target: one.reason for one in capabilities([model], targets)}


def _check_all(models: Sequence[str], targets: Sequence[str]) -> Iterator[Reasons]:
    """Yield the reasons for each model in turn, from as many processes as there are cores."""
    workers = min(len(os.sched_getaffinity(0)), len(models))
    if workers < 2:
        yield from (check_model(model, targets) for model in models)
        return
    arguments = (workers, spawn_context(), begin_worker, (os.getpid(),))
    with ProcessPoolExecutor(*arguments) as pool:
        yield from pool.map(_check_in_one_thread, models, [targets] * len(models))


def _check_in_one_thread(model: str, targets: Sequence[str]) -> Reasons:
    import torch

    torch.set_num_threads(1)
    return check_model(model, targets)


def _file(model: str, targets: Sequence[str]) -> Path:
    digest = hashlib.sha256(_environment_digest())
    digest.update("\n".join([model, *targets]).encode())
    module = parts.locate("model")[model].partition(":")[0]
    spec = util.find_spec(module)
    if spec and spec.origin:
        digest.update(Path(spec.origin).read_bytes())
    return cache_folder() / "targets" / f"{model}-{digest.hexdigest()[:16]}.json"


@cache
def _environment_digest() -> bytes:
    """Return a digest of the relevant sources and of the versions of the tools."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package)
        if name.parts[0] not in INDEPENDENT:
            digest.update(f"{name}\n".encode() + path.read_bytes())
    for tool in TOOLS:
        installed = next(iter(metadata.distributions(name=tool)), None)
        digest.update(f"{tool} {installed.version if installed else None}\n".encode())
    return digest.digest()
