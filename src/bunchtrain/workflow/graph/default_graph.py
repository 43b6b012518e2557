"""The default graph of a study: source → prepare → train → predict → evaluate → export → report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.methods.task import without_execution
from bunchtrain.study import ModelConfig, Study, model_configs, training_names
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.table import Table
from bunchtrain.workflow.evaluate import (
    check_test_set,
    evaluate_or_leave_out,
    evaluation_parts,
    make_evaluation,
    merge_metrics,
    restore_metrics,
)
from bunchtrain.workflow.export import export_run
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.stage import Stage, StageContext
from bunchtrain.workflow.preparation import make_source, recipe, report_unused_definitions, task
from bunchtrain.workflow.progress import say
from bunchtrain.workflow.run import Run
from bunchtrain.workflow.run_events import check_key, run_events
from bunchtrain.workflow.trainings import (
    Training,
    all_trainings,
    merge_predictions,
    predict_seed,
    predicted_sets,
    train_seed,
    training_warnings,
)
from bunchtrain.workflow.transforms import write_objects
from bunchtrain.workflow.wide.cache import prepare_events, prepare_source
from bunchtrain.workflow.write_report import write_report

#: Keys of a study that decide no result of an evaluation.
_NOT_EVALUATED = {
    *("title", "description", "references", "note", "evaluation", "export"),
    *("storage", "sizes", "executor", "stages"),
}
#: Files of a model's folder that are not written by its training, or not needed when it is done.
OTHER_FILES = ("*.parquet", "prediction.json", "checkpoint.*", "*.log", "failure.json", ".*")


class DefaultGraph:
    """The stages that the keys of a study stand for, in the folder of a run."""

    def __init__(self, folder: RunFolder, study: Study) -> None:
        self.folder, self.study = folder, study
        self.models = model_configs(study)
        self.trainings = list(all_trainings(folder, study).values())

    @cached_property
    def cache(self) -> EventCache:
        """The events of the run."""
        return run_events(self.folder, self.study)

    @cached_property
    def source(self) -> Table:
        """The source of the study."""
        return make_source(self.study)

    @cached_property
    def run(self) -> Run:
        """The run that the evaluations read."""
        return Run(self.folder)

    def stages(self) -> dict[str, Stage]:
        """Return name → stage."""
        every = [self._source()]
        if self.models:
            every += [self._prepare(), *map(self._train, self.trainings)]
            every += map(self._predict, self.trainings)
            every += [self._predictions(), *self._evaluations(after_export=False)]
            every += [*self._exports(), *self._evaluations(after_export=True)]
        return {stage.name: stage for stage in every}

    def _source(self) -> Stage:
        def run(context: StageContext) -> None:
            if context.executor is None:
                self.source.prepare()
            else:
                prepare_source(self.study, context.executor, self.folder.path)

        of = self.study.source_stage
        if of is not None:  # its file has the path of the run
            return Stage("source", "source", run, (of,), is_cached=False)
        options = self.study.source.model_dump(mode="json")
        return Stage("source", "source", run, options=options, is_cached=False)

    def _prepare(self) -> Stage:
        def run(context: StageContext) -> None:
            report_unused_definitions(self.study, self.source)
            cache = prepare_events(self.study, context.executor)
            check_key(self.folder, self.study, cache)
            check_test_set(self.study, cache.class_counts)
            self.folder.set_state("running")
            self.__dict__["cache"] = cache
            content = {**cache.manifest, "folder": str(cache.folder)}
            self.folder.manifest.write_json(self.folder.path / "data.json", content)

        def options() -> dict[str, Any]:
            return {"recipe": recipe(self.study, self.source).key()}

        return Stage(
            "prepare", "prepare", run, ("source",), options, ("data.json",), is_cached=False
        )

    def _train(self, one: Training) -> Stage:
        def run(context: StageContext) -> None:
            if self._is_predicted(context):
                return
            train_seed(self.folder, self.study, self.cache, one, resume=context.resume)
            seeds = [o for o in self.trainings if o.model.name == one.model.name]
            said = training_warnings(self.folder, [o for o in seeds if o.seed != one.seed])
            for text in training_warnings(self.folder, [one]):
                if text not in said:
                    say(f"warning, {one.name}: {text}")

        place = self._place(one)
        start = self.folder.start(one.model.name)
        return Stage(
            f"train.{one.name}",
            "train",
            run,
            ("prepare",),
            lambda: training_options(self.study, one.model, start)[one.name],
            (f"{place}/*", f"{place}/parts/*"),
            OTHER_FILES,
            in_process=False,
        )

    def _predict(self, one: Training) -> Stage:
        def run(context: StageContext) -> None:
            if not self._is_predicted(context):
                predict_seed(self.folder, self.study, self.cache, one, context.executor)

        study, place = self.study, self._place(one)
        options = study.model_dump(mode="json", include={"targets", "truth", "spectators"})
        options |= study.model_dump(mode="json", include={"transforms"})
        options |= {"sets": predicted_sets(study)}
        return Stage(
            f"predict.{one.name}",
            "predict",
            run,
            (f"train.{one.name}",),
            options,
            (f"{place}/*.parquet", f"{place}/prediction.json"),
            (".*",),
            in_process=False,
        )

    def _predictions(self) -> Stage:
        def run(context: StageContext) -> None:
            if not self._is_predicted(context):
                merge_predictions(self.folder, self.study)
                if self.study.transforms:
                    write_objects(self.folder, self.study)
            self.folder.manifest.add_missing()

        names = [f"predict.{one.name}" for one in self.trainings]
        transforms = [f"{name}_{one}.parquet" for name in self.study.transforms
                      for one in self.models]  # fmt: skip
        return Stage(
            "predictions",
            "predict",
            run,
            tuple(names),
            self.study.model_dump(mode="json", include={"ensembles", "transforms"}),
            ("predictions.parquet", "ensembles/*.json", *transforms),
        )

    def _evaluations(self, *, after_export: bool) -> Iterator[Stage]:
        """Yield the evaluations; one that reads metrics comes after those before it."""
        before = ["predictions", *(f"train.{one.name}" for one in self.trainings)]
        if after_export:
            before += [stage.name for stage in self._exports()]
        # The table of a stage has the folder of the run; the events follow from its key.
        is_stage = self.study.source_stage is not None
        left_out = _NOT_EVALUATED | ({"source"} if is_stage else set())
        chosen = self.study.model_dump(mode="json", exclude=left_out)
        for one in (chosen, *chosen["models"].values()):
            one["training"] = without_execution(one["training"])
        names = list[str]()
        for key, (part, options) in evaluation_parts(self.study).items():
            made = make_evaluation(self.study, part, options)
            if made.after_export != after_export:
                continue
            inputs = [*before, *names] if made.reads_metrics else before
            names.append(f"evaluate.{key}")
            yield Stage(
                names[-1],
                "evaluate",
                partial(self._evaluate, key),
                tuple(inputs),
                {"name": part, "options": options, "study": chosen},
                (f"evaluations/{key}/**/*",),
                (".*",),
                reused=partial(self._merge, key),
            )

    def _evaluate(self, key: str, context: StageContext) -> None:
        part, options = evaluation_parts(self.study)[key]
        evaluate_or_leave_out(self.run, key, make_evaluation(self.study, part, options))

    def _merge(self, key: str) -> None:
        merge_metrics(self.run, key)

    def _exports(self) -> Iterator[Stage]:
        names = dict[str, int]()
        for part in self.study.export:
            short = parts.short_name(part.name)
            names[short] = names.get(short, 0) + 1
            count = f"_{names[short]}" if names[short] > 1 else ""
            # Exports name their run: those of another run are none of this one.
            options = {**part.model_dump(mode="json"), "run": self.folder.path.name}
            yield Stage(
                f"export.{short}{count}",
                "export",
                partial(self._export, part.name, part.options),
                tuple(f"train.{one.name}" for one in self.trainings),
                options,
                (f"exports/*/{short}/**/*",),
            )

    def _export(self, name: str, options: dict[str, Any], context: StageContext) -> None:
        if not self.folder.report_file.is_file():  # it is there if an export fails
            write_report(self.folder)
        export_run(self.folder, name, options)

    def report(self, inputs: Sequence[str]) -> Stage:
        """Return the stage of the report, which comes after all others."""

        def run(context: StageContext) -> None:
            restore_metrics(self.run)
            self.folder.manifest.add_missing()
            write_report(self.folder)

        return Stage("report", "report", run, tuple(inputs), is_cached=False)

    def _place(self, one: Training) -> str:
        """Return the folder of a training, relative to that of the run."""
        return one.folder.relative_to(self.folder.path).as_posix()

    def _is_predicted(self, context: StageContext) -> bool:
        """Return whether a resumed run, perhaps of an earlier release, has its predictions."""
        return context.resume and self.folder.predictions_file.is_file()


def training_options(study: Study, model: ModelConfig, start: Path | None = None) -> dict[str, Any]:
    """Return name → what decides each training of a model, on given events.

    start  folder of the trained model that it starts from, if its study has one.
    """
    return {
        name: task(study, model, Path(), Path(), seed, start).key_content()
        for name, seed in training_names(study, model).items()
    }
