"""Networks of a run exported to where they must run, each proved on the run's test set."""

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
from bunchtrain.deployment import exporting
from bunchtrain.deployment.exporting import make_target, refuse
from bunchtrain.deployment.parity import Parity
from bunchtrain.errors import DataError, ExportError, RunError, nearest
from bunchtrain.methods.build import empty_network
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.trained_model import TrainedModel, load
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predictions import ROWS, columns_needed
from bunchtrain.workflow.preparation import event_cache, source_for_file, task
from bunchtrain.workflow.result import Run

#: Events on which an export is proved at most, unless told otherwise.
LIMIT = 100_000


@dataclass(frozen=True)
class Exported:
    """What an export of a run wrote: the proof of each network and its folder.

    proofs   network → how its export compares with it.
    folders  network → where its files are.
    """

    target: str
    proofs: Mapping[str, Parity]
    folders: Mapping[str, Path]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        columns = ("network", "compared", "events", "largest difference", "decisions flipped")
        table = Table(*columns, title=f"Exported to {self.target}")
        for name, proof in self.proofs.items():
            for one in proof.agreements:
                cells = (one.what, f"{one.events:,}", f"{one.difference:.2g}", str(one.flipped))
                table.add_row(name, *cells)
        yield table
        for name, proof in self.proofs.items():
            yield f"{name}: {self.folders[name]}"
            if proof.figures:
                figures = Table("figure", "value", title=name)
                for key, value in proof.figures.items():
                    figures.add_row(key, str(value))
                yield figures


def check_exports(study: Study) -> None:
    """Raise ExportError, naming member, layer and reason, for an `export` that cannot be done.

    The networks are built with fresh weights, so that it is known before training starts.
    """
    for part in study.export:
        target = make_target(part.name, part.options)
        for name, member in model_configs(study).items():
            made = task(study, member, Path(), Path())
            representation = parts.build("representation", *made.representation)
            network = empty_network(made, representation).eval()
            untrained = TrainedModel(made, representation, network, made.calibrations())
            try:
                refuse(untrained, target, part.name)
            except ExportError as problem:
                where = f"models.{name}: " if study.models else ""
                raise ExportError(f"export: {where}{problem}") from None


def export(run: Run | RunFolder | Path | str, to: str, **given: Any) -> Exported:
    """Export the networks of a run, given by itself or by its folder, as `export_run` does.

    `given` are `member`, `output`, `file` and `events` of `export_run`, and options of the target.
    """
    folder = run.folder if isinstance(run, Run) else run
    opened = folder if isinstance(folder, RunFolder) else RunFolder.open(folder)
    known = ("member", "output", "file", "events")
    options = {key: value for key, value in given.items() if key not in known}
    return export_run(opened, to, options, **{k: v for k, v in given.items() if k in known})


def export_run(
    folder: RunFolder,
    to: str,
    options: Mapping[str, Any] | None = None,
    *,
    member: str | None = None,
    output: Path | str | None = None,
    file: str | Sequence[str] | None = None,
    events: int = LIMIT,
) -> Exported:
    """Export the networks of a run and prove each on its test set, or on the events of a file.

    to       name of the export target; `options` are its own.
    member   the network; all of the run if unset.
    output   where the files go, `<run>/exports/<network>/<target>` if unset.
    events   number of events of the proof at most.

    Raises StudyError for an unknown target or option, RunError for an unknown network,
    ExportError for what the target cannot do, ParityError if the numbers differ.
    """
    study = folder.study()
    names = _chosen(study, member)
    target = make_target(to, options, _provenance(folder, study))
    proofs, folders = {}, {}
    for name in names:
        trained_model = load(folder.model(name))
        place = folder.path / "exports" / name / to
        if output is not None:
            place = Path(output) / name if len(names) > 1 else Path(output)
        refuse(trained_model, target, to)
        if file is None:
            given = _test_events(folder, study, trained_model, events)
        else:
            given = _file_events(study, trained_model, file, events)
        proofs[name] = exporting.export(trained_model, target, to, given, place)
        folders[name] = place
    return Exported(to, proofs, folders)


def _chosen(study: Study, member: str | None) -> list[str]:
    known = list(model_configs(study))
    if member is not None and member not in known:
        hint = nearest(member, known) or f"; its networks are {', '.join(known)}"
        raise RunError(f"the run has no network '{member}'{hint}")
    return known if member is None else [member]


def _provenance(folder: RunFolder, study: Study) -> dict[str, str]:
    digest = hashlib.sha256(folder.study_file.read_bytes()).hexdigest()
    environment = folder.json("environment.json")
    return {
        "study": study.name,
        "run": folder.path.name,
        "study_sha256": digest,
        "bunchtrain": str(environment.get("bunchtrain", "")),
        "commit": str(environment.get("commit", "")),
    }


def _test_events(
    folder: RunFolder, study: Study, trained_model: TrainedModel, limit: int
) -> ak.Array:
    place = folder.json("data.json").get("folder")
    there = place is not None and (Path(place) / "manifest.json").is_file()
    cache = EventCache.open(Path(place)) if there else event_cache(study)
    truth = [f"target_{name}" for name in trained_model.task.targets]
    columns = list(dict.fromkeys([*trained_model.columns, "entry", *truth]))
    return _up_to(limit, cache.blocks("test", ROWS, columns=columns))


def _file_events(
    study: Study, trained_model: TrainedModel, file: str | Sequence[str], limit: int
) -> ak.Array:
    source = source_for_file(study, file)
    select = Expression(study.select) if study.select else None

    def chunks() -> Iterator[ak.Array]:
        for chunk in source.chunks(columns_needed(study, source, {"": trained_model}), ROWS):
            events = define(chunk, study.define)
            kept = events if select is None else events[as_mask(select(events), study.select or "")]
            yield kept[trained_model.columns]

    events = _up_to(limit, chunks())
    if not len(events):
        raise DataError(f"{file} has no event that the study selects")
    return events


def _up_to(limit: int, blocks: Iterable[ak.Array]) -> ak.Array:
    held: list[ak.Array] = []
    left = limit
    for block in blocks:
        held.append(block[:left])
        left -= len(held[-1])
        if left <= 0:
            break
    return ak.concatenate(held) if held else ak.Array([])
