"""Search over the fields of a study: TPE with successive halving (arXiv:1810.05934).

The trials lie in a journal in the folder of the search, so that a search that was stopped goes on
where it was, and so that workers on several nodes of a Ray cluster share them.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bunchtrain.errors import StudyError, UserError, missing
from bunchtrain.training.cluster import connected

#: Dotted key → {low, high, log} or {choices}.
Space = Mapping[str, Mapping[str, Any]]
#: Told the epoch and the metric after it; True ends the trial early.
Report = Callable[[int, float], bool]
#: Trains with these overrides and returns the metric of the validation set; picklable.
Evaluate = Callable[[dict[str, Any], Report], float]


@dataclass(frozen=True)
class Search:
    """A search: where, over what, for which metric.

    folder     holds the journal, the table and the plot.
    space      dotted key → {"low", "high", "log"} or {"choices"}; bounds that are both whole
               numbers give whole numbers.
    metric     the name of the figure that `evaluate` returns, for titles.
    direction  "maximize" or "minimize".
    """

    folder: str
    space: dict[str, dict[str, Any]]
    metric: str
    direction: Literal["maximize", "minimize"] = "maximize"
    trials: int = 20
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.space:
            raise StudyError("the search space is empty; give a key such as training.learning_rate")
        for key, values in self.space.items():
            _check(key, values)


def tune(
    evaluate: Evaluate,
    search: Search,
    *,
    engine: Literal["local", "ray"] = "local",
    parallel: int = 1,
    address: str | None = None,
) -> list[dict[str, Any]]:
    """Run the search up to its number of trials, those of earlier calls included.

    Returns one mapping a trial: number, state, metric and the values of the keys; see
    `tuning_report.show` for the table and the plot. With `ray`, `parallel` trials run at once.
    Raises StudyError for a space that cannot be searched, MissingDependency without Optuna.
    """
    Path(search.folder).mkdir(parents=True, exist_ok=True)
    study = _open(search, seed=search.seed)
    _forget_stopped(study)
    missing_trials = range(len(finished(study)), search.trials)
    if engine == "local":
        for number in missing_trials:
            run_trial(evaluate, search, number)
    else:
        _run_on_ray(evaluate, search, missing_trials, parallel, address)
    return as_rows(_open(search, seed=search.seed), search)


def run_trial(evaluate: Evaluate, search: Search, number: int) -> None:
    """Draw the values of one trial, train and record the outcome."""
    import optuna

    def objective(trial: Any) -> float:
        stopped = []

        def report(epoch: int, value: float) -> bool:
            trial.report(value, epoch)
            if trial.should_prune():  # says so only once
                stopped.append(epoch)
            return bool(stopped)

        drawn = {key: _draw(trial, key, values) for key, values in search.space.items()}
        value = evaluate(drawn, report)
        if stopped:
            raise optuna.TrialPruned
        return value

    # A bad draw (a size that does not fit) is a failed trial, not the end of the search.
    _open(search, search.seed + number).optimize(objective, n_trials=1, catch=(UserError,))


def _run_on_ray(
    evaluate: Evaluate, search: Search, numbers: range, parallel: int, address: str | None
) -> None:
    with connected(address, parallel) as ray:
        remote = ray.remote(num_cpus=1)(run_trial)
        waiting, running = list(numbers), list[Any]()
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(remote.remote(evaluate, search, waiting.pop(0)))
            done, running = ray.wait(running)
            ray.get(done)


def _open(search: Search, seed: int) -> Any:
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ImportError:
        raise missing("optuna", "ray", "a search") from None
    optuna.logging.set_verbosity(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.create_study(
            study_name="search",
            storage=JournalStorage(JournalFileBackend(str(Path(search.folder) / "trials.log"))),
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
            pruner=optuna.pruners.SuccessiveHalvingPruner(),
            direction=search.direction,
            load_if_exists=True,
        )


def _forget_stopped(study: Any) -> None:
    """Mark the trials that an interruption left open as failed, so that they are drawn anew."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def finished(study: Any) -> list[Any]:
    """Return the trials that reached their end or were stopped for being worse."""
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


def as_rows(study: Any, search: Search) -> list[dict[str, Any]]:
    """Return one mapping a finished trial, the best first."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            search.metric: trial.value,
            **{key: _value(search.space[key], drawn) for key, drawn in trial.params.items()},
        }
        for trial in finished(study)
    ]
    sign = -1 if search.direction == "maximize" else 1
    return sorted(rows, key=lambda row: (row["state"] != "complete", sign * row[search.metric]))


def _check(key: str, values: Mapping[str, Any]) -> None:
    if set(values) == {"choices"} and values["choices"]:
        return
    if not {"low", "high"} <= set(values) <= {"low", "high", "log"}:
        raise StudyError(f"search space of '{key}': give low and high (and log: true), or choices")
    if not values["low"] < values["high"] or (values.get("log") and values["low"] <= 0):
        raise StudyError(
            f"search space of '{key}': low must be below high, and above 0 where log is true"
        )


def _draw(trial: Any, key: str, values: Mapping[str, Any]) -> Any:
    if "choices" in values:
        labels = [_label(choice) for choice in values["choices"]]
        return _value(values, trial.suggest_categorical(key, labels))
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    whole = isinstance(low, int) and isinstance(high, int)
    draw = trial.suggest_int if whole else trial.suggest_float
    return draw(key, low, high, log=log)


def _label(choice: Any) -> Any:
    """Return a choice as the journal can hold it: lists and mappings as text."""
    return json.dumps(choice) if isinstance(choice, list | tuple | dict) else choice


def _value(values: Mapping[str, Any], drawn: Any) -> Any:
    """Return what was drawn as the space gives it."""
    return next((c for c in values.get("choices", ()) if _label(c) == drawn), drawn)
