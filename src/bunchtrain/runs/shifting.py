"""A run's test set as it would be under a systematic effect, and how the figures move."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table

from bunchtrain import parts
from bunchtrain.columns.external_sort import KEY
from bunchtrain.columns.selection import Selection
from bunchtrain.columns.source import Source
from bunchtrain.columns.splits._split import TEST
from bunchtrain.columns.tables import to_events
from bunchtrain.columns.writing import write_parquet
from bunchtrain.errors import RunError, StudyError
from bunchtrain.evaluation.changes import Analysis, Scored, changes
from bunchtrain.evaluation.likelihood.binning import optimal_binning
from bunchtrain.evaluation.metrics import Figure, roc
from bunchtrain.evaluation.metrics.discriminant import discriminant
from bunchtrain.files import write_json
from bunchtrain.runs.ensembles import ensemble_columns, load_ensembles
from bunchtrain.runs.outcome import Outcome, signal_of
from bunchtrain.runs.predictions import ROWS, event_columns, score_columns
from bunchtrain.runs.preparation import make_source, recipe
from bunchtrain.runs.progress import say
from bunchtrain.runs.result import Run
from bunchtrain.study import Study
from bunchtrain.systematics._shifted import Shifted
from bunchtrain.systematics._systematic import Systematic

#: Network → effect → figure → its nominal value, and its changes up and down.
Moves = dict[str, dict[str, dict[str, tuple[float, Figure, Figure]]]]


def effect(study: Study, name: str, size: float | None = None) -> Systematic:
    """Return a systematic effect of a study, or the part of that name, of a given size.

    Raises StudyError, naming the nearest, if there is none.
    """
    part = study.systematics.get(name)
    options = dict(part.options) if part else {}
    if size is not None:
        options["size"] = size
    where = f"systematics.{name}"
    made: Systematic = parts.build("systematic", part.name if part else name, options, where=where)
    return made


def shifted(run: Run, name: str, systematic: Systematic, sign: float) -> Outcome:
    """Return the scores of the test set under an effect, up (+1) or down (−1) by one deviation.

    Other numbers than ±1 are so many deviations.

    The scores are kept in the run's folder and taken from there the next time.
    """
    amount = round(sign * systematic.size, 12)
    path = run.folder.path / "shifts" / f"{name}_{amount:+g}.parquet"
    source = Shifted(make_source(run.study), systematic, amount)
    if not _is_there(path, source):
        say(f"scores with {name} of {amount:+g}")
        path.parent.mkdir(exist_ok=True)
        write_parquet(path, _scored(run, source))
        write_json(path.with_suffix(".json"), {"events": source.fingerprint()})
    return Outcome.read(run.study, path)


def _is_there(path: Path, source: Source) -> bool:
    note = path.with_suffix(".json")
    return path.is_file() and note.is_file() and source.fingerprint() in note.read_text()


def _scored(run: Run, source: Source) -> Iterator[dict[str, NDArray[Any]]]:
    combinations = load_ensembles(run.folder, run.study)
    for events in _test_set(run.study, source):
        columns = event_columns(run.study, events) | score_columns(run.networks, events)
        yield columns | ensemble_columns(Outcome(run.study, columns), combinations)


def _test_set(study: Study, source: Source) -> Iterator[ak.Array]:
    """Yield the events of the test set of a source, defined and selected as the study says."""
    source.prepare()
    wanted = recipe(study, source)
    select = Selection(wanted)
    for chunk in source.chunks(wanted.reads(), ROWS):
        events = to_events(select(chunk))
        chosen = ak.to_numpy(events[KEY]) >> np.uint64(62) == TEST
        if chosen.any():
            yield events[chosen]


@dataclass
class Shifts:
    """How the figures of a run's networks move; shows itself as a table."""

    title: str
    sizes: dict[str, float]
    table: Moves = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the table for JSON."""
        return {
            "sizes": self.sizes,
            "changes": {
                network: {
                    name: {
                        figure: {"nominal": value, "up": up.as_dict(), "down": down.as_dict()}
                        for figure, (value, up, down) in figures.items()
                    }
                    for name, figures in effects.items()
                }
                for network, effects in self.table.items()
            },
        }

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(title=f"{self.title}: changes under systematic effects")
        for heading in ("Network", "Effect", "Figure", "Nominal", "Up", "Down"):
            table.add_column(heading, justify="left" if heading < "Fz" else "right")
        for network, effects in self.table.items():
            for name, figures in effects.items():
                said = f"{name} ± {self.sizes[name]:g}"
                for figure, (value, up, down) in figures.items():
                    table.add_row(network, said, figure, f"{value:.4g}", signed(up), signed(down))
                    network = said = ""
        yield table


def signed(change: Figure) -> str:
    """Return a change with its sign."""
    return f"{'+' if change.value > 0 else ''}{change}".replace("-", "−")


def shift(run: Run, by: Mapping[str, float | None]) -> Shifts:
    """Return how every network's figures move when named effects go up and down.

    Writes `shifts.json` into the run's folder.

    Args:
        run: finished run of a study with classes.
        by: effect → its size, one standard deviation; the study's or the part's own if None.

    Raises:
        StudyError: there is no such effect.
        RunError: the study has no classes.
    """
    effects = {name: effect(run.study, name, size) for name, size in by.items()}
    if not effects:
        raise StudyError("name an effect, as --by jet_energy_scale=0.02")
    target = next(iter(run.predictions.classifiers), None)
    if target is None:
        raise RunError(f"study '{run.study.name}' has no classes, so there are no cuts to shift")
    found = Shifts(run.study.heading, {name: one.size for name, one in effects.items()})
    for name, one in effects.items():
        moved = [shifted(run, name, one, sign) for sign in (1, -1)]
        for network in run.predictions.taggers:
            found.table.setdefault(network, {})[name] = _moved(run, network, target, moved)
    write_json(run.folder.path / "shifts.json", found.as_dict())
    return found


def _moved(
    run: Run, network: str, target: str, moved: list[Outcome]
) -> dict[str, tuple[float, Figure, Figure]]:
    nominal = scored(run.predictions, network, target)
    analysis = fixed(nominal, run.study)
    up, down = (changes(analysis, nominal, scored(one, network, target)) for one in moved)
    return {name: (value, change, down[name][1]) for name, (value, change) in up.items()}


def scored(outcome: Outcome, network: str, target: str) -> Scored:
    """Return the score of a network's signal class against all others."""
    scores = outcome.scores(network, target)
    if scores is None:
        raise RunError(f"network '{network}' has no scores for target '{target}'")
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    truth = outcome.truth(target) == signal
    score = discriminant(scores, signal, others)
    return Scored(outcome.columns["entry"], score, truth, outcome.weights)


def fixed(nominal: Scored, study: Study, bins: int = 10) -> Analysis:
    """Return the cuts and bins that an analysis would fix on nominal events."""
    curve = roc(nominal.score, nominal.truth, nominal.weight)
    cuts = {e: curve.threshold_at(e) for e in study.evaluation.efficiencies}
    scale = study.evaluation.luminosity_scale
    edges = optimal_binning(nominal.score, nominal.truth, nominal.weight, bins=bins, scale=scale)
    return Analysis(cuts, edges, scale)
