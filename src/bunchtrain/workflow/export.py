"""Export of the models of a run, each verified numerically on the test set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain import parts
from bunchtrain.deployment.export import check_supported, export, make_target
from bunchtrain.deployment.verification import Verification
from bunchtrain.errors import DataError, ExportError, RunError, nearest
from bunchtrain.methods.build import build_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.progress_events import report
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.study.base import Part
from bunchtrain.study.derived import derived_study, stage_model
from bunchtrain.study.stage_checks import full_name
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.tables.predictions import ROWS
from bunchtrain.trained_files import load, trained_model
from bunchtrain.trained_model import TrainedModel
from bunchtrain.uncertainty.calibration import build_calibrations
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.new_files import source_for_file
from bunchtrain.workflow.predict import columns_needed, used_columns
from bunchtrain.workflow.preparation import task, transform_source
from bunchtrain.workflow.run_events import run_events

#: Default of the maximum number of events for the verification.
MAX_EVENTS = 100_000


@dataclass(frozen=True)
class Exported:
    """The exports of a run's models.

    verifications  model → comparison of its export with the model itself.
    folders        model → folder of its files.
    """

    target: str
    verifications: Mapping[str, Verification]
    folders: Mapping[str, Path]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = ("model", "compared", "events", "largest difference", "relative, small scores",
                   "out of order", "changed decisions")  # fmt: skip
        table = Table(*columns, title=f"Exported to {self.target}")
        for name, verification in self.verifications.items():
            for one in verification.agreements:
                numbers = (f"{one.difference:.2g}", f"{one.relative:.2g}")
                counts = (str(one.misordered), str(one.flipped))
                table.add_row(name, one.what, f"{one.events:,}", *numbers, *counts)
        yield table
        for name, verification in self.verifications.items():
            yield f"{name}: {self.folders[name]}"
            if verification.properties:
                properties = Table("property", "value", title=name)
                for key, value in verification.properties.items():
                    properties.add_row(key, str(value))
                yield properties


def check_exports(study: Study) -> None:
    """Raise ExportError, naming model, layer and reason, for an `export` that is unsupported.

    The models are built with random weights, before any training.
    """
    for part in study.export:
        for name, model in model_configs(study).items():
            where = f"models.{name}: " if study.models else ""
            _check_export(study, model, part, f"export: {where}")
    for name, stage in study.stages.items():
        of = study.stages.get(stage.export.of) if stage.export else None
        if stage.export and (of is None or of.train):  # a model of another study is there already
            one = stage_model(study, full_name(study, stage.export.of))
            its = derived_study(study, one.events, {one.label: one.given}, Path())
            _check_export(its, model_configs(its)[one.label], stage.export, f"stages.{name}: ")


def _check_export(study: Study, model: ModelConfig, part: Part, where: str) -> None:
    target = make_target(part.name, part.options)
    made = task(study, model, Path(), Path())
    representation = parts.build("representation", *made.representation)
    network = build_network(made, representation)
    if not isinstance(network, FittedNetwork):
        network.eval()
    untrained = trained_model(made, representation, network, build_calibrations(made))
    try:
        check_supported(untrained, target, part.name)
    except ExportError as problem:
        raise ExportError(f"{where}{problem}") from None


def export_run(
    folder: RunFolder,
    to: str,
    options: Mapping[str, Any] | None = None,
    *,
    model: str | None = None,
    output: Path | str | None = None,
    file: str | Sequence[str] | None = None,
    events: int = MAX_EVENTS,
) -> Exported:
    """Export the models of a run and verify each on the test set, or on the events of a file.

    folder   folder of a finished run.
    to       name of the export target.
    options  of the target.
    model    name of the model; all of the run if None.
    output   folder of the files, `<run>/exports/<model>/<target>` if None.
    file     file of events for the verification; the test set if None.
    events   maximum number of events for the verification.

    Raises StudyError for an unknown target or option, RunError for an unknown model,
    ExportError for what the target does not support, VerificationError if the predictions differ.
    """
    study = folder.study()
    names = _chosen(study, model)
    to = parts.absolute_name(to, None)
    target = make_target(to, options, provenance(folder, study))
    verifications, folders = {}, {}
    for index, name in enumerate(names):
        report(index, len(names), text=name)
        trained = load(folder.model(name))
        place = folder.path / "exports" / name / parts.short_name(to)
        if output is not None:
            place = Path(output) / name if len(names) > 1 else Path(output)
        check_supported(trained, target, to)
        if file is None:
            given = test_events(run_events(folder, study), trained, events)
        else:
            given = _file_events(study, trained, file, events)
        verifications[name] = export(trained, target, to, given, place)
        folders[name] = place
    return Exported(to, verifications, folders)


def _chosen(study: Study, model: str | None) -> list[str]:
    known = list(model_configs(study))
    if model is not None and model not in known:
        hint = nearest(model, known) or f"; its models are {', '.join(known)}"
        raise RunError(f"the run has no model '{model}'{hint}")
    return known if model is None else [model]


def provenance(folder: RunFolder, study: Study) -> dict[str, str]:
    """Return the origin of the models of a run: study, run, versions of the code."""
    digest = hashlib.sha256(folder.study_file.read_bytes()).hexdigest()
    environment = folder.json("environment.json")
    return {
        "study": study.name,
        "run": folder.path.name,
        "study_sha256": digest,
        "bunchtrain": str(environment.get("bunchtrain", "")),
        "commit": str(environment.get("commit", "")),
    }


def test_events(cache: EventCache, trained: TrainedModel, limit: int) -> ak.Array:
    """Return the first events of the test set, with what a model reads and its truth."""
    truth = [f"target_{name}" for name in trained.task.targets]
    columns = list(dict.fromkeys([*trained.columns, "entry", *truth]))
    return _up_to(limit, cache.of("test").blocks(columns, ROWS))


def _file_events(
    study: Study, trained: TrainedModel, file: str | Sequence[str], limit: int
) -> ak.Array:
    source = transform_source(study, source_for_file(study, file))
    select = Expression(study.select) if study.select else None

    def chunks() -> Iterator[ak.Array]:
        for chunk in source.blocks(columns_needed(study, source, {"": trained}), ROWS):
            events = define(chunk, study.define, used_columns(study, {"": trained}))
            kept = events if select is None else events[as_mask(select(events), study.select or "")]
            yield kept[trained.columns]

    events = _up_to(limit, chunks())
    if not len(events):
        raise DataError(f"{file} has no event that the study selects")
    return events


def _up_to(limit: int, blocks: Iterable[ak.Array]) -> ak.Array:
    """Return the first `limit` events of some blocks."""
    found: list[ak.Array] = []
    remaining = limit
    for block in blocks:
        found.append(block[:remaining])
        remaining -= len(found[-1])
        if remaining <= 0:
            break
    return ak.concatenate(found) if found else ak.Array([])
