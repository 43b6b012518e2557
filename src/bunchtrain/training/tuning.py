"""Hyperparameter search over the keys of a study: TPE with successive halving (arXiv:1810.05934).

The trials are stored in a journal in the folder of the search, so that an interrupted search can be
resumed, and so that workers on several nodes of a Ray cluster share them.
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
from bunchtrain.files import damaged
from bunchtrain.training.cluster import connect_to_ray

#: Called with each epoch and the metric after it; True prunes the trial.
Report = Callable[[int, float], bool]
#: Trains with these overrides and returns the metric of the validation set; picklable.
Evaluate = Callable[[dict[str, Any], Report], float]


@dataclass(frozen=True)
class Search:
    """Definition of a search.

    folder     of the journal, the table and the plot.
    space      dotted key → {"low", "high", "log"} or {"choices"}; two integer bounds give integers.
    metric     name of the metric that `evaluate` returns, for titles.
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
    """Run the search up to its count of trials, including those of earlier calls.

    Returns one mapping per trial: index, state, metric and the values of the keys, for
    `tuning_report.show`. With `ray`, `parallel` trials run concurrently.
    Raises StudyError for a space that cannot be searched, RunError for a damaged journal,
    MissingDependency without Optuna. No other process may run the search.
    """
    journal = _journal(search)
    journal.parent.mkdir(parents=True, exist_ok=True)
    if journal.is_file():
        _repair(journal)
    study = _open(search, seed=search.seed)
    _fail_interrupted(study)
    missing_trials = range(len(find_finished(study)), search.trials)
    if engine == "local":
        for index in missing_trials:
            run_trial(evaluate, search, index)
    else:
        _run_on_ray(evaluate, search, missing_trials, parallel, address)
    return as_rows(_open(search, seed=search.seed), search)


def run_trial(evaluate: Evaluate, search: Search, index: int) -> None:
    """Sample the values of one trial, train and record the metric."""
    import optuna

    def objective(trial: Any) -> float:
        stopped = []

        def report(epoch: int, value: float) -> bool:
            trial.report(value, epoch)
            if trial.should_prune():  # True only once
                stopped.append(epoch)
            return bool(stopped)

        sampled = {key: _sample(trial, key, values) for key, values in search.space.items()}
        value = evaluate(sampled, report)
        if stopped:
            raise optuna.TrialPruned
        return value

    # Values that cannot be trained (a size that does not fit) fail the trial, not the search.
    _open(search, search.seed + index).optimize(objective, n_trials=1, catch=(UserError,))


def _run_on_ray(
    evaluate: Evaluate, search: Search, indices: range, parallel: int, address: str | None
) -> None:
    with connect_to_ray(address, parallel) as ray:
        remote = ray.remote(num_cpus=1)(run_trial)
        waiting, running = list(indices), list[Any]()
        while waiting or running:
            while waiting and len(running) < parallel:
                running.append(remote.remote(evaluate, search, waiting.pop(0)))
            done, running = ray.wait(running)
            ray.get(done)


def _journal(search: Search) -> Path:
    """Return the absolute path of the journal: Optuna's lock is a link to it."""
    return Path(search.folder).absolute() / "trials.log"


def _repair(journal: Path) -> None:
    """Remove from a journal what a killed search left: its lock and the beginning of a line.

    Raises RunError for a line that is none of a journal.
    """
    journal.with_name(f"{journal.name}.lock").unlink(missing_ok=True)
    text = journal.read_bytes()
    complete = text[: text.rfind(b"\n") + 1]
    for number, line in enumerate(complete.splitlines(), start=1):
        try:
            json.loads(line)["op_code"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise damaged(journal, f"line {number}") from None
    if complete != text:
        journal.write_bytes(complete)


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
            storage=JournalStorage(JournalFileBackend(str(_journal(search)))),
            sampler=optuna.samplers.TPESampler(seed=seed, constant_liar=True),
            pruner=optuna.pruners.SuccessiveHalvingPruner(),
            direction=search.direction,
            load_if_exists=True,
        )


def _fail_interrupted(study: Any) -> None:
    """Mark interrupted trials as failed, so that they are sampled again."""
    from optuna.trial import TrialState

    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        study.tell(trial.number, state=TrialState.FAIL)


def find_finished(study: Any) -> list[Any]:
    """Return the trials that were completed or pruned."""
    from optuna.trial import TrialState

    found: list[Any] = study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
    return found


def as_rows(study: Any, search: Search) -> list[dict[str, Any]]:
    """Return one mapping per finished trial, the best first."""
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            search.metric: trial.value,
            **{key: _value(search.space[key], sampled) for key, sampled in trial.params.items()},
        }
        for trial in find_finished(study)
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


def _sample(trial: Any, key: str, values: Mapping[str, Any]) -> Any:
    if "choices" in values:
        labels = [_label(choice) for choice in values["choices"]]
        return _value(values, trial.suggest_categorical(key, labels))
    low, high, log = values["low"], values["high"], bool(values.get("log", False))
    is_integer = isinstance(low, int) and isinstance(high, int)
    suggest = trial.suggest_int if is_integer else trial.suggest_float
    return suggest(key, low, high, log=log)


def _label(choice: Any) -> Any:
    """Return a choice as the journal can store it: lists and mappings as text."""
    return json.dumps(choice) if isinstance(choice, list | tuple | dict) else choice


def _value(values: Mapping[str, Any], sampled: Any) -> Any:
    """Return a sampled value as it is written in the space."""
    return next((c for c in values.get("choices", ()) if _label(c) == sampled), sampled)
