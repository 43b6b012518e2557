"""The evaluations of a run, made in the order of the study and saved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.report.results import FILE, Results
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import Study, all_evaluations
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
    made: Evaluation = parts.build("evaluation", name, options, where="evaluation")
    made.check(study)
    return made


def evaluate_study(run: EvaluatedRun, *, after_export: bool) -> None:
    """Make and save the evaluations of a run's study: those that read exports, or the others."""
    for key, (name, options) in evaluation_parts(run.study).items():
        made = make_evaluation(run.study, name, options)
        if made.after_export == after_export:
            evaluate_run(run, key, made)


def evaluate_missing(run: EvaluatedRun) -> None:
    """Make the evaluations without saved results, e.g. of an older run, and those of exports.

    An evaluation whose data no longer exist is skipped with a message.
    """
    folder = RunFolder(run.folder)
    for key, (name, options) in evaluation_parts(run.study).items():
        made = make_evaluation(run.study, name, options)
        if made.after_export or not (folder.evaluation(key) / FILE).is_file():
            try:
                evaluate_run(run, key, made)
            except DataError as problem:
                say(f"evaluation {key} is left out: {problem}")


def evaluate_run(run: EvaluatedRun, key: str, evaluation: Evaluation) -> Results:
    """Return the results of an evaluation, saved in `evaluations/<key>` and `metrics.json`."""
    folder = RunFolder(run.folder)
    say(f"evaluating {key}")
    results = evaluation.evaluate(run)
    previous = folder.json(f"evaluations/{key}/{FILE}").get("metrics", {})
    results.save(folder.evaluation(key), folder.manifest.write_json)
    if run.folds == 1:  # metrics of folds are of more events than the others of this run
        _write_metrics(folder, run.predictions.estimators, previous, results.metrics)
    return results


def _write_metrics(
    folder: RunFolder,
    estimators: list[str],
    previous: Mapping[str, Metrics],
    found: Mapping[str, Metrics],
) -> None:
    """Replace the previous metrics of an evaluation by the new ones."""
    known: dict[str, Metrics] = folder.json("metrics.json")
    merged = {}
    for name in dict.fromkeys([*estimators, *known, *found]):
        replaced, new = previous.get(name, {}), found.get(name, {})
        kept = {k: v for k, v in known.get(name, {}).items() if k not in replaced or k in new}
        merged[name] = kept | new
    folder.manifest.write_json(folder.metrics_file, merged)


def saved_results(folder: RunFolder, study: Study) -> list[Results]:
    """Return the saved results of a run: those of its study in their order, then any others."""
    places = sorted(path.parent for path in folder.path.glob(f"evaluations/*/{FILE}"))
    order = list(evaluation_parts(study))
    places.sort(key=lambda place: order.index(place.name) if place.name in order else len(order))
    return [Results.load(place) for place in places]
