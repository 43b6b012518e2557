"""What the targets answered about each model, kept on disk until anything changes that decides it.

Asking takes a trial of every network, so that several processes ask at once. An answer is taken
from disk only if it was given with the same sources of all that networks and targets are made of,
the same file of the model and the same versions of the tools.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata, util
from multiprocessing import get_context
from pathlib import Path

from bunchtrain import parts
from bunchtrain.files import cache_folder, write_json

#: Packages whose versions decide what can be exported.
TOOLS = ("torch", "onnx", "onnxscript", "onnxruntime", "alkaid", "hls4ml", "numpy")

#: Modules and packages of bunchtrain that cannot change an answer.
APART = (
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

#: Target → why a model cannot go there, '' if it can.
Answers = dict[str, str]


def answers(
    models: Sequence[str], targets: Sequence[str], tell: Callable[[str], None] = lambda _: None
) -> Iterator[tuple[str, Answers]]:
    """Yield each model and what each target says about it.

    models   names of models.
    targets  names of targets.
    tell     is called with the name of each model about which the targets had to be asked.
    """
    files = {model: _file(model, targets) for model in models}
    unknown = [model for model in models if not files[model].is_file()]
    asked = _ask_all(unknown, targets)
    for model in models:
        if model in unknown:
            tell(model)
            files[model].parent.mkdir(parents=True, exist_ok=True)
            write_json(files[model], next(asked))
        yield model, json.loads(files[model].read_text(encoding="utf-8"))


def ask(model: str, targets: Sequence[str]) -> Answers:
    """Return what each target says about a model."""
    from bunchtrain.deployment.capability import capabilities

    return {one.target: one.reason for one in capabilities([model], targets)}


def _ask_all(models: Sequence[str], targets: Sequence[str]) -> Iterator[Answers]:
    """Yield the answers about each model in turn, from as many processes as there are cores."""
    workers = min(len(os.sched_getaffinity(0)), len(models))
    if workers < 2:
        yield from (ask(model, targets) for model in models)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _alone) as pool:
        yield from pool.map(ask, models, [targets] * len(models))


def _alone() -> None:
    """Keep a process to one core."""
    import torch

    torch.set_num_threads(1)


def _file(model: str, targets: Sequence[str]) -> Path:
    """Return where the answers about a model are kept."""
    digest = hashlib.sha256(_surroundings())
    digest.update("\n".join([model, *targets]).encode())
    module = parts.locate("model")[model].partition(":")[0]
    spec = util.find_spec(module)
    if spec and spec.origin:
        digest.update(Path(spec.origin).read_bytes())
    return cache_folder() / "targets" / f"{model}-{digest.hexdigest()[:16]}.json"


@cache
def _surroundings() -> bytes:
    """Return a digest of the sources that decide and of the versions of the tools."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        if place.parts[0] not in APART:
            digest.update(f"{place}\n".encode() + path.read_bytes())
    for tool in TOOLS:
        installed = next(iter(metadata.distributions(name=tool)), None)
        digest.update(f"{tool} {installed.version if installed else None}\n".encode())
    return digest.digest()
