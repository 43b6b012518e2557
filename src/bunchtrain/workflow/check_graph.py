"""The graph of a study before it is run: what each stage reads, what is there, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bunchtrain.errors import BunchtrainError
from bunchtrain.files import read_json
from bunchtrain.study import Study
from bunchtrain.study.derived import with_source
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.build import build_graph
from bunchtrain.workflow.graph.record import StageRecord, find_result, other_runs, read_record
from bunchtrain.workflow.graph.stage import Stage, sort_stages, stage_folder
from bunchtrain.workflow.preparation import event_caches, make_source, recipe


@dataclass(frozen=True)
class StageCheck:
    """A stage of a study that has not been run.

    inputs       stages that it reads.
    depth        number of stages before it, along the longest way.
    cached_in    run from which its result would be taken, or the event cache of `prepare`; None if
                 it would be run.
    seconds      that it took in the newest run that made it, None if none did.
    memory_mb    peak memory of that run's process at its end.
    events       set → number of events, of prepared events that are there.
    """

    name: str
    kind: str
    inputs: list[str]
    depth: int
    cached_in: str | None = None
    seconds: float | None = None
    memory_mb: float | None = None
    events: dict[str, int] = field(default_factory=dict)


def check_graph(study: Study, runs: Path) -> list[StageCheck]:
    """Return the stages of a study in their order, each after those that it reads.

    Nothing is run: results are looked up by their keys in earlier runs of the study, and times are
    those of the newest run that made the stage. A stage whose key depends on results that are not
    there yet is not looked up.

    runs  folder of the runs of all studies.
    """
    place = runs / study.name / "new"
    study = with_source(study, _source_run(study, place))
    graph = build_graph(RunFolder(place), study)
    keys, depths = dict[str, str](), dict[str, int]()
    found, earlier = list[StageCheck](), _earlier(place)
    for stage in sort_stages(graph):
        depths[stage.name] = max((depths[one] + 1 for one in stage.inputs), default=0)
        run = _look_up(place, stage, keys)
        if stage.name == "prepare":
            run = _prepared_events(study)
        took = earlier.get(stage.name)
        found.append(
            StageCheck(
                stage.name,
                stage.kind,
                list(stage.inputs),
                depths[stage.name],
                None if run is None else str(run),
                took.seconds if took else None,
                took.memory_mb if took else None,
                _events(run, stage) if run else {},
            )
        )
    return found


def _source_run(study: Study, place: Path) -> Path:
    """Return the run with the table of the stage that is the source, the new one if none has it."""
    keys = dict[str, str]()
    if study.source_stage is None:
        return place
    for stage in sort_stages(build_graph(RunFolder(place), with_source(study, place))):
        run = _look_up(place, stage, keys)
        if stage.name == study.source_stage:
            return run or place
    return place


def _look_up(place: Path, stage: Stage, keys: dict[str, str]) -> Path | None:
    """Return the run with the result of a stage; its key is added to `keys` if it is known."""
    if any(name not in keys for name in stage.inputs):
        return None
    try:
        keys[stage.name] = stage.key(keys[name] for name in stage.inputs)
        result = find_result(place, stage, keys[stage.name]) if stage.is_cached else None
    except BunchtrainError:  # it reads what does not exist yet
        return None
    return result[0] if result else None


def _prepared_events(study: Study) -> Path | None:
    """Return the complete event cache of the study's own events, None without one."""
    try:
        source = make_source(study)
        if not source.is_prepared:
            return None
        place = event_caches(study) / recipe(study, source).key()
    except BunchtrainError:  # it reads what does not exist yet
        return None
    return place if EventCache.is_complete(place) else None


def _earlier(place: Path) -> Mapping[str, StageRecord]:
    """Return stage → its record in the newest run in which it was run and finished."""
    found: dict[str, StageRecord] = {}
    for run in other_runs(place):
        try:
            records = read_record(run)
        except BunchtrainError:
            continue
        for name, one in records.items():
            if one.state == "finished" and one.reused_from is None:
                found.setdefault(name, one)
    return found


def _events(run: Path, stage: Stage) -> dict[str, int]:
    if stage.name == "prepare":
        return dict(EventCache.open(run).rows)
    path = stage_folder(run, stage.name) / "data.json"
    if stage.kind != "prepare" or not path.is_file():
        return {}
    rows: dict[str, int] = read_json(path)["rows"]
    return rows
