"""The evaluations of a run, made in the order of the study and saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._class_evaluation import ClassEvaluation
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.report.content import Table
from bunchtrain.report.results import FILE, Results
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import Study, all_evaluations, stage_evaluations, stage_prefixes
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.progress import say

#: Name and options of an evaluation.
Named = tuple[str, dict[str, Any]]


def evaluation_parts(study: Study) -> dict[str, Named]:
    """Return key → name and options of each evaluation of a study, in its order.

    The key, which names the folder of the results, is the short name; `<name>_2` the second time.
    """
    found, counts = dict[str, Named](), Counter[str]()
    for part in all_evaluations(study):
        key = parts.short_name(part.name)
        counts[key] += 1
        found[f"{key}_{counts[key]}" if counts[key] > 1 else key] = part.name, part.options
    return found


def make_evaluation(study: Study, name: str, options: Mapping[str, Any]) -> Evaluation:
    """Return an evaluation that has been checked against the study.

    Raises StudyError if it or an option is unknown, or the study lacks what it evaluates.
    """
    with parts.report_own_errors():
        made: Evaluation = parts.build("evaluation", name, options, where="evaluation")
        made.check(study)
    return made


def check_test_set(study: Study, counts: Mapping[str, Mapping[str, Sequence[int]]]) -> None:
    """Raise DataError, before any training, if a class that is evaluated has no test events.

    counts  Target → set of events → number of events of each class.
    """
    for name, options in evaluation_parts(study).values():
        made = make_evaluation(study, name, options)
        for target in made.targets(study) if isinstance(made, ClassEvaluation) else ():
            known = counts.get(target.name, {})
            for k, label in enumerate(target.classes):
                if "test" in known and not known["test"][k]:
                    raise DataError(
                        f"the test set has no events of class '{label}' of target "
                        f"'{target.name}', which evaluation '{made.name}' needs (training set: "
                        f"{known['train'][k]}); change 'split', or leave the class out of 'targets'"
                    )


def evaluate_or_leave_out(run: EvaluatedRun, key: str, evaluation: Evaluation) -> None:
    """Make and save an evaluation of a run; one that the data do not allow is left out.

    A sentence in the report says so.
    """
    try:
        evaluate_run(run, key, evaluation)
    except DataError as problem:
        _leave_out(run, key, problem)


def merge_metrics(run: EvaluatedRun, key: str) -> None:
    """Add the metrics in the saved results of an evaluation to `metrics.json`."""
    folder = RunFolder(run.folder)
    _write_metrics(folder, run, key, {}, _saved_metrics(folder, key))


def restore_metrics(run: EvaluatedRun) -> None:
    """Write `metrics.json` from the saved results, if it is missing or of several stages.

    Those of stages are made in any order, and the file has that of the study.
    """
    folder, of_stages = RunFolder(run.folder), stage_evaluations(run.study)
    if folder.metrics_file.is_file() and not of_stages:
        return
    merged: dict[str, Metrics] = {name: {} for name in run.predictions.estimators}
    prefixes = stage_prefixes(run.study)
    saved = [
        _with_prefix(prefixes.get(key, ""), _saved_metrics(folder, key))
        for key in (*evaluation_parts(run.study), *of_stages)
    ]
    known: dict[str, Metrics] = folder.json("metrics.json")
    for found in (*saved, known):
        for name, metrics in found.items():
            merged[name] = merged.get(name, {}) | metrics
    folder.manifest.write_json(folder.metrics_file, merged)


def _leave_out(run: EvaluatedRun, key: str, problem: DataError) -> None:
    """Save a sentence in place of the results of an evaluation."""
    folder, sentence = RunFolder(run.folder), f"evaluation {key} is left out: {problem}"
    say(sentence)
    note = Table(f"{sentence[0].upper()}{sentence[1:]}.", [], [])
    Results(tables=[note]).save(folder.evaluation(key), folder.manifest.write_json)
    if not folder.metrics_file.is_file():
        _write_metrics(folder, run, key, {}, {})


def evaluate_missing(run: EvaluatedRun) -> None:
    """Make the evaluations without saved results, e.g. of an older run, and those of exports.

    An evaluation whose data no longer exist is skipped with a message.
    """
    folder = RunFolder(run.folder)
    for key, (name, options) in evaluation_parts(run.study).items():
        made = make_evaluation(run.study, name, options)
        if made.after_export or not (folder.evaluation(key) / FILE).is_file():
            say(f"evaluating {key}")
            try:
                evaluate_run(run, key, made)
            except DataError as problem:
                say(f"evaluation {key} is left out: {problem}")


def evaluate_run(run: EvaluatedRun, key: str, evaluation: Evaluation) -> Results:
    """Return the results of an evaluation, saved in `evaluations/<key>` and `metrics.json`."""
    folder = RunFolder(run.folder)
    with parts.report_own_errors():
        results = evaluation.evaluate(run)
    _check_results(results, evaluation)
    previous = _saved_metrics(folder, key)
    results.save(folder.evaluation(key), folder.manifest.write_json)
    if run.folds == 1:  # metrics of folds are of more events than the others of this run
        _write_metrics(folder, run, key, previous, results.metrics)
    return results


def _check_results(results: Any, evaluation: Evaluation) -> None:
    """Raise StudyError, naming the place in its file, if an evaluation returns something else."""
    try:
        if not isinstance(results, Results):
            raise ValueError(f"it is {type(results).__name__}, not Results")
        results.check()
    except (ValueError, TypeError, AttributeError) as problem:
        code = type(evaluation).evaluate.__code__
        raise StudyError(
            f"{code.co_filename}, line {code.co_firstlineno}: what 'evaluate' returns cannot be "
            f"saved: {problem}"
        ) from None


def _saved_metrics(folder: RunFolder, key: str) -> dict[str, Metrics]:
    """Return the metrics in the saved results of an evaluation, {} without them."""
    found: dict[str, Metrics] = folder.json(f"evaluations/{key}/{FILE}").get("metrics", {})
    return found


def _with_prefix(prefix: str, metrics: Mapping[str, Metrics]) -> dict[str, Metrics]:
    """Return metrics of models with what precedes their names in `metrics.json`."""
    return {f"{prefix}{name}": one for name, one in metrics.items()}


def _write_metrics(
    folder: RunFolder,
    run: EvaluatedRun,
    key: str,
    previous: Mapping[str, Metrics],
    found: Mapping[str, Metrics],
) -> None:
    """Replace the previous metrics of an evaluation by the new ones."""
    # A stage's key has a point; the view of a stage has another study than the run.
    prefix = stage_prefixes(folder.study()).get(key, "") if "." in key else ""
    known: dict[str, Metrics] = folder.json("metrics.json")
    old, new = _with_prefix(prefix, previous), _with_prefix(prefix, found)
    merged = {}
    estimators = [f"{prefix}{name}" for name in run.predictions.estimators]
    for name in dict.fromkeys([*estimators, *known, *new]):
        gone = set(old.get(name, {})) - set(new.get(name, {}))
        kept = {k: v for k, v in known.get(name, {}).items() if k not in gone}
        merged[name] = kept | new.get(name, {})
    folder.manifest.write_json(folder.metrics_file, merged)


def saved_results(folder: RunFolder, study: Study) -> list[Results]:
    """Return the saved results of a run: those of its study in their order, then any others.

    Titles and captions of evaluations with `of` name the stage.
    """
    places = sorted(path.parent for path in folder.path.glob(f"evaluations/*/{FILE}"))
    of_stages = stage_evaluations(study)
    order = [*evaluation_parts(study), *of_stages]
    places.sort(key=lambda place: order.index(place.name) if place.name in order else len(order))
    stages = {key: str(part.of) for key, part in of_stages.items()}
    return [_of_stage(Results.load(place), stages.get(place.name)) for place in places]


def _of_stage(results: Results, stage: str | None) -> Results:
    """Return results whose title and captions begin with the name of a stage, if there is one.

    Captions of plots of one model have its name, too.
    """
    if stage is None:
        return results
    of = {one.model: f"{stage}, {one.model}" if one.model else stage for one in results.plots}
    return replace(
        results,
        title=f"{stage}: {results.title}" if results.title else f"Stage {stage}",
        plots=[replace(one, caption=f"{of[one.model]}: {one.caption}") for one in results.plots],
        tables=[replace(one, caption=f"{stage}: {one.caption}") for one in results.tables],
    )
