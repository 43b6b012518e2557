"""Export of a trained model: the interface of targets, the files, their verification."""

from __future__ import annotations

import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak

from bunchtrain import parts
from bunchtrain.deployment.verification import FILE, Agreement, Verification
from bunchtrain.errors import ExportError, MachineError
from bunchtrain.files import write_json, write_text
from bunchtrain.trained_model import TrainedModel

#: Folder of the files of an export whose verification is not finished, or has failed.
UNVERIFIED = "unverified"


class ExportTarget(ABC):
    """A format or device for trained models; a part of kind `export`, with keyword-only options."""

    #: Whether it exports methods, and outputs for points and edges.
    exports_all_shapes: ClassVar[bool] = False
    #: Origin of the model (run, hash of the study, commit), for files that can store it.
    provenance: Mapping[str, str] = {}

    @abstractmethod
    def unsupported_reason(self, trained: TrainedModel) -> str | None:
        """Return why this model cannot be exported, naming model or layer, or None if it can.

        Called before the training, with random weights and without fitted trees, so that it
        depends on the architecture only.
        """

    @abstractmethod
    def export(self, trained: TrainedModel, events: ak.Array, folder: Path) -> Verification:
        """Write the files into `folder`, run them on the events and compare.

        events  (events,) with the columns that the model reads, and `entry`.

        Raises ExportError, naming the layer, for what is unsupported in the weights only, and
        MissingDependency if a tool is not installed.
        """


def make_target(
    name: str, options: Mapping[str, Any] | None = None, provenance: Mapping[str, str] | None = None
) -> ExportTarget:
    """Return an export target by its name; StudyError names the nearest if there is none."""
    target: ExportTarget = parts.build("export", name, options or {})
    target.provenance = provenance or {}
    return target


def check_supported(trained: TrainedModel, target: ExportTarget, name: str) -> None:
    """Raise ExportError, naming model or layer, if the target `name` does not support this model.

    The model need not be trained.
    """
    reason = _unsupported_shape(trained, target) or target.unsupported_reason(trained)
    if reason is not None:
        raise ExportError(
            f"model '{trained.task.model[0]}' cannot be exported to '{name}': {reason}; "
            "`bunchtrain parts --targets` lists what each target supports"
        )


def _unsupported_shape(trained: TrainedModel, target: ExportTarget) -> str | None:
    """Return why the outputs are none that the target can have, or None."""
    network: Any = trained.network
    targets = trained.task.targets.values()
    if any(one.assignment for one in targets):
        return "the scores of an assignment are those of combinations of points; use `predict`"
    if trained.task.owns_loss and not network.method.quantities:
        return f"method '{network.method.name}' generates events and predicts nothing to export"
    if target.exports_all_shapes:
        return None
    if trained.task.owns_loss:
        return "methods with a loss of their own are exported to 'onnx' only"
    if network.readouts:
        return "outputs for points and edges are exported to 'onnx' only"
    return None


def export(
    trained: TrainedModel, target: ExportTarget, name: str, events: ak.Array, folder: str | Path
) -> Verification:
    """Export a trained model, run the export on the events and compare the scores.

    Writes the files of the target, `verification.json` and `verification.md` into the folder
    `unverified` in `folder`, and moves them to `folder` after a successful verification, so that an
    interrupted or failed export replaces nothing. Raises ExportError if the target does not support
    the model or there is no event, and VerificationError if the scores differ.
    """
    folder = Path(folder)
    check_supported(trained, target, name)
    if not len(events):
        raise ExportError(f"the export to '{name}' cannot be verified without events; give some")
    place = folder / UNVERIFIED
    try:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    except OSError as problem:
        raise MachineError(f"'{folder}' cannot be made: {problem.strerror}") from None
    verification = target.export(trained, events, place)
    content = {"target": name, "model": trained.task.model[0], **verification.as_dict()}
    write_json(place / FILE, {**content, "provenance": target.provenance})
    page = "\n".join(_page(trained, target, name, verification)) + "\n"
    write_text((place / FILE).with_suffix(".md"), page)
    verification.check(name, place)
    _replace(place, folder)
    return verification


def _replace(place: Path, folder: Path) -> None:
    """Move the content of a folder to another, in place of what has the same names there."""
    for new in sorted(place.iterdir(), key=lambda path: path.name == FILE):  # the proof last
        old = folder / new.name
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        new.replace(old)
    place.rmdir()


def _page(
    trained: TrainedModel, target: ExportTarget, name: str, verification: Verification
) -> Iterator[str]:
    yield f"# `{trained.task.model[0]}` exported to `{name}`\n"
    yield (
        "| compared | events | largest difference | allowed | relative, small scores | allowed "
        "| out of order | changed decisions | passed |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    yield from map(_row, verification.agreements)
    for title, content in (("Properties", verification.properties), ("Tools", verification.tools)):
        if content:
            yield f"\n## {title}\n\n| name | value |\n|---|---|"
            yield from (f"| {key} | {value} |" for key, value in content.items())
    yield "\n## Files\n"
    yield from (f"* `{file}`" for file in verification.files)
    if target.provenance:
        yield "\n" + ", ".join(f"{key}: {value}" for key, value in target.provenance.items())


def _row(one: Agreement) -> str:
    limits = (one.tolerance, one.relative_tolerance)
    allowed, relative = ("" if limit is None else f"{limit:g}" for limit in limits)
    passed = "yes" if one.holds else "**no**"
    numbers = (f"{one.difference:.3g}", allowed, f"{one.relative:.3g}", relative)
    cells = (one.what, one.events, *numbers, one.misordered, one.flipped, passed)
    return f"| {' | '.join(map(str, cells))} |"


@contextmanager
def silence_logs() -> Iterator[None]:
    """Silence the logs of other libraries."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
