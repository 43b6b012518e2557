"""The engine: runs the stages of a graph in order, and none whose result is there already."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from bunchtrain.errors import BunchtrainError, InterruptedRun, RunError, nearest
from bunchtrain.progress_events import emit, report_stage
from bunchtrain.study import Study
from bunchtrain.training.process import peak_mb
from bunchtrain.training.workers import WorkerInfo
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.record import (
    StageRecord,
    copy_result,
    find_result,
    finished,
    hash_files,
    read_record,
    write_record,
)
from bunchtrain.workflow.graph.stage import (
    Stage,
    StageContext,
    ancestors,
    descendants,
    sort_stages,
)

#: Runs stages at the same time and returns stage → why it failed.
RunConcurrently = Callable[[Sequence[Stage]], Mapping[str, BunchtrainError]]


@dataclass
class Engine:
    """Runs a graph in the folder of a run.

    graph       name → stage.
    folder      of the run.
    study       of the run.
    resume      whether interrupted stages continue from their files.
    reuse       whether results are taken from other runs of the study.
    fresh       stages that are run again, with their descendants, though results exist.
    jobs        maximum number of processes.
    concurrent  runs several stages outside this process; None to run them in turn.
    executor    of the study, for the pieces of a stage; None to make them in this process.
    """

    graph: Mapping[str, Stage]
    folder: RunFolder
    study: Study
    resume: bool = False
    reuse: bool = True
    fresh: Collection[str] = ()
    jobs: int = 1
    concurrent: RunConcurrently | None = None
    executor: Executor | None = None
    keys: dict[str, str] = field(default_factory=dict)
    failures: dict[str, BunchtrainError] = field(default_factory=dict)

    def run(self, wanted: Collection[str] | None = None) -> None:
        """Run the wanted stages and those that they depend on, all of the graph if None.

        A stage outside this process that fails does not keep others from finishing. Raises its
        error at the end, naming it and the others that failed.
        """
        chosen = set(self.graph) if wanted is None else ancestors(self.graph, wanted)
        # What needs no training comes first, so that its errors are found before a training.
        trained = descendants(
            self.graph, [n for n, one in self.graph.items() if not one.in_process]
        )
        pending = [stage for stage in sort_stages(self.graph) if stage.name in chosen]
        pending.sort(key=lambda stage: stage.name in trained)
        self.fresh = descendants(self.graph, self.fresh)
        self.reuse = self.reuse and WorkerInfo.from_environment().world_size == 1
        while pending:
            ready = [one for one in pending if all(name in self.keys for name in one.inputs)]
            if not ready:  # the rest depends on a stage that failed
                break
            for stage in self._take(ready):
                pending.remove(stage)
        if self.failures:
            self._raise()

    def _take(self, ready: Sequence[Stage]) -> Sequence[Stage]:
        """Run the first of the stages that can run, or several at the same time."""
        failed = [one for one in ready if one.name in self.failures]
        if failed:
            return failed
        # Those of this process go first, so that more of the others can run at the same time.
        here = ready if self.concurrent is None else [one for one in ready if one.in_process]
        if here:
            self.run_one(here[0])
            return here[:1]
        missing = [one for one in ready if not self._is_there(one)]
        is_remote = self.executor is not None and self.executor.is_remote
        if len(missing) == 1 and not is_remote:
            self._run(missing[0], self.key(missing[0]))
        elif missing and self.concurrent is not None:
            self.failures |= self.concurrent(missing)
            for stage in missing:
                if stage.name not in self.failures:
                    self.keys[stage.name] = self.key(stage)
        return ready

    def run_one(self, stage: Stage) -> None:
        """Run a stage whose inputs are finished, unless its result is there."""
        if not self._is_there(stage):
            self._run(stage, self.key(stage))

    def key(self, stage: Stage) -> str:
        """Return the key of a stage whose inputs are finished."""
        return stage.key(self.keys[name] for name in stage.inputs)

    def _is_there(self, stage: Stage) -> bool:
        """Return whether a stage has its result in this run, copied from another one if need be."""
        if not stage.is_cached:
            return False
        key, run = self.key(stage), self.folder.path
        is_fresh = stage.name in self.fresh
        if not finished(run, stage, key):
            found = find_result(run, stage, key) if self.reuse and not is_fresh else None
            if found is None:
                return False
            other, record = found
            copy_result(run, other, record)
            if stage.reused is not None:
                stage.reused()
            own = {"reused_from": str(other), "seconds": 0.0}
            write_record(run, stage.name, record.model_copy(update=own))
            emit(run, stage.name, "reuse", text=str(other))
        self.keys[stage.name] = key
        return True

    def _run(self, stage: Stage, key: str) -> None:
        record = StageRecord(key=key, kind=stage.kind, inputs=list(stage.inputs), state="failed")
        began = time.perf_counter()
        context = StageContext(
            self.folder, self.study, stage, self.resume, self.jobs, self.executor
        )
        try:
            with report_stage(self.folder.path, stage.name):
                stage.run(context)
        except InterruptedRun:
            raise
        except BunchtrainError as problem:
            record.seconds, record.why = time.perf_counter() - began, str(problem)
            write_record(self.folder.path, stage.name, record)
            if stage.in_process or WorkerInfo.from_environment().world_size > 1:
                raise
            self.failures[stage.name] = problem
            return
        record.seconds, record.state = time.perf_counter() - began, "finished"
        record.memory_mb, record.files = peak_mb(), hash_files(self.folder.path, stage)
        write_record(self.folder.path, stage.name, record)
        self.keys[stage.name] = key

    def _raise(self) -> None:
        """Raise the first failure, naming the others."""
        first, *others = self.failures
        problem = self.failures[first]
        also = f"; {', '.join(map(self._label, others))} failed, too" if others else ""
        is_named = self.study.models or first in self.study.stages
        where = f"{self._describe(first)}: " if is_named else ""
        raise type(problem)(f"{where}{problem}{also}")

    def _label(self, name: str) -> str:
        return name if name in self.study.stages else name.partition(".")[2] or name

    def _describe(self, name: str) -> str:
        is_model = self.graph[name].kind == "train" and name.startswith("train.")
        return f"model '{self._label(name)}'" if is_model else f"stage '{name}'"


def run_stages(engine: Engine, names: Sequence[str]) -> None:
    """Run these stages of a run in turn, whose inputs other processes have finished.

    Raises RunError for an unknown stage, or one whose inputs are not finished.
    """
    for name in names:
        if name not in engine.graph:
            hint = nearest(name, engine.graph)
            raise RunError(f"the run has no stage '{name}'{hint}")
        record = read_record(engine.folder.path)
        for one in engine.graph[name].inputs:
            if one not in record or record[one].state != "finished":
                raise RunError(f"stage '{name}' needs '{one}', which is not finished; run it first")
            engine.keys[one] = record[one].key
        engine.run_one(engine.graph[name])
        if engine.failures:
            raise next(iter(engine.failures.values()))
