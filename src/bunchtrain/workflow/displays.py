"""Displays of events of a run, with truth and predictions, of a study's source, and of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.displays import Display, make_display, read_event
from bunchtrain.displays.colours import Colouring, match_objects
from bunchtrain.displays.content import Limits, can_draw
from bunchtrain.errors import BunchtrainError, DataError, RunError, nearest, one_of
from bunchtrain.physics.track_matching import TrackList
from bunchtrain.study import Study, load, model_configs
from bunchtrain.study.loading import known
from bunchtrain.tables.predictions import ROWS, Predictions
from bunchtrain.tables.sources.files import Files
from bunchtrain.targets import Quantity, Target
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.prediction_schema import contents_of_file
from bunchtrain.workflow.preparation import make_source
from bunchtrain.workflow.track_displays import POINTS, found_tracks, track_outcome

#: Probability from which on a predicted edge is drawn.
THRESHOLD = 0.5
#: Bounds on the display in a report.
IN_REPORT = Limits(points=3000, columns=8, pixels=70_000)


def display_of(
    what: str,
    event: int,
    groups: Sequence[str] = (),
    model: str | None = None,
    limits: Limits = Limits(),  # noqa: B008
) -> Display:
    """Return the display of an event of a run, of a study's source, or of a data file.

    what    folder of a run, whose test set is shown with its predictions; name or file of a study;
            or a data file, `file.root:tree` for one of several trees.
    event   index in the test set, the source or the file.
    groups  that are shown.
    model   of a run, whose predictions are shown; the first if None.

    Raises DataError if there is no such event or nothing to draw, RunError for an unknown model.
    """
    path = Path(what)
    if path.is_dir() and (path / "status.json").is_file():
        return display_run(RunFolder.open(path), event, groups, model, limits)
    if model is not None:
        raise RunError(f"'{what}' is not the folder of a run: it has no predictions of a model")
    if path.suffix in (".yaml", ".yml") or (path / "study.yaml").is_file() or _is_name(what):
        study = load(what)
        source = make_source(study)
        source.prepare()
        found = read_event(source, event, groups, f"the source of {study.name}")
        title = f"{study.heading}, event {event}"
    else:
        found = read_event(Files(files=what), event, groups, what)
        title = f"{path.name}, event {event}"
    tracks = [one for group in POINTS for one in found_tracks(found.columns, group)]
    return make_display(found, title, (), tracks, groups, limits)


def _is_name(what: str) -> bool:
    return what in known() and not Path(what).exists()


def display_run(
    folder: RunFolder,
    event: int,
    groups: Sequence[str] = (),
    model: str | None = None,
    limits: Limits = Limits(),  # noqa: B008
) -> Display:
    """Return the display of an event of a run's test set, with truth and predictions."""
    study = folder.study()
    models = list(model_configs(study))
    if model is not None and model not in models:
        hint = nearest(model, models) or f"; there are {one_of(models) or 'none'}"
        raise RunError(f"{folder.path} has no model '{model}'{hint}")
    if not models:
        raise RunError(f"{folder.path} has no model whose predictions could be shown")
    row = _predicted(folder, study, event)
    entry = int(row.columns["entry"][0])
    source = make_source(study)
    source.prepare()
    found = read_event(source, entry, groups, f"the source of {folder.path}")
    shown = model or models[0]
    group = next(iter(_groups(study)), "")
    colourings = [*_colourings(row, shown, group), *_tracks_of_columns(row, group)]
    title = f"{study.heading}: event {event} of the test set"
    facts = [("entry", str(entry)), *_facts(row)]
    return make_display(found, title, facts, colourings, groups, limits)


def report_display(folder: RunFolder) -> Display | None:
    """Return a small display of the first event of the test set; None if nothing can be drawn."""
    study = folder.study()
    try:
        source = make_source(study)
        groups = _groups(study)
        if not groups or not source.is_prepared or not can_draw(source.schema):
            return None
        return display_run(folder, 0, groups, limits=IN_REPORT)
    except (BunchtrainError, OSError):
        return None


def _groups(study: Study) -> list[str]:
    """Return the lists that the representations of a study read."""
    found = dict[str, None]()
    for model in model_configs(study).values():
        part = model.representation
        options = parts.validate("representation", part.name, part.options, "representation")
        if isinstance(group := options.get("group"), str):
            found[group] = None
    return list(found)


def _predicted(folder: RunFolder, study: Study, event: int) -> Predictions:
    """Return one row of the predictions of a run."""
    first, path = 0, folder.predictions_file
    for block in Predictions.read_blocks(path, ROWS, contents_of_file(path, study)):
        if 0 <= event < first + len(block):
            return block.take(np.array([event - first]))
        first += len(block)
    text = f"its {first:,} events are 0 to {first - 1}" if first else "it is empty"
    raise DataError(f"there is no event {event} in the test set of {folder.path}: {text}")


def _facts(row: Predictions) -> Iterator[tuple[str, str]]:
    """Yield the truth of the event, and the prediction of each model and ensemble, as text."""
    for name, target in row.targets.items():
        if target.axis != "event" or target.assignment:
            continue
        if target.classes:
            truth = int(row.truth(name)[0])
            yield f"{name}, truth", target.classes[truth] if truth >= 0 else "none"
            for estimator in row.estimators:
                if (found := row.probabilities(estimator, name)) is not None:
                    best = int(np.argmax(found[0]))
                    yield estimator, f"{target.classes[best]} {found[0, best]:.3f}"
        for value in target.values:
            yield f"{value}, truth", f"{float(row.truth(name, value)[0]):.4g}"
            for estimator in row.estimators:
                one = row.column(estimator, name, Quantity(value))
                if one is not None:
                    yield estimator, f"{float(one[0]):.4g}"
    for estimator in row.models:
        for label, score in row.scores(estimator).items():
            yield f"{estimator} {label}", f"{float(score[0]):.4g}"


def _list(column: Any) -> Any:
    return np.asarray(ak.to_numpy(column[0]), np.float64)


def _colourings(row: Predictions, model: str, group: str) -> Iterator[Colouring]:
    """Yield truth and prediction of each target of points and edges, and of the transforms."""
    truth = None
    order = sorted(row.targets.items(), key=lambda one: one[1].ids is None)
    for name, target in order:
        if target.identifier and target.axis in ("point", "edge") and truth is None:
            truth = _list(row.columns[name])
            yield Colouring(f"truth: {name}", group, "id", truth, role="truth")
        elif target.axis == "point":
            yield from _of_points(row, model, group, target)
        elif target.assignment:
            yield from _of_assignment(row, model, group, target)
    for label, column in row.scores(model, "object").items():
        predicted = _list(column)
        if truth is not None and len(truth) == len(predicted):
            predicted = match_objects(predicted, truth)
        yield Colouring(f"{model}: {label}", group, "id", predicted, role="prediction")
        if truth is not None and len(truth) == len(predicted):
            objects = ak.Array([_list(column).astype(np.int64)])
            yield track_outcome(f"{model}: {label}", group, TrackList.of_labels(objects), truth)
    if truth is not None:
        for target in row.targets.values():
            if target.axis == "edge" and target.same:
                yield from _of_edges(row, model, group, target, truth)


def _tracks_of_columns(row: Predictions, group: str) -> list[Colouring]:
    """Return the colourings of tracks in the columns of a run, by its identifiers of points."""
    truth = next((t for t in row.targets.values() if t.identifier and t.axis == "point"), None)
    if truth is None:
        return []
    columns = {name: values[0] for name, values in row.columns.items()}
    return found_tracks(columns, group, truth.name)


def _of_points(row: Predictions, model: str, group: str, target: Target) -> Iterator[Colouring]:
    name = target.name
    if target.classes:
        truth = _list(row.columns[name])
        yield Colouring(f"truth: {name}", group, "category", truth, target.classes, "truth")
        of_class = [row.column(model, name, Quantity(label)) for label in target.classes]
        kept = [_list(one) for one in of_class if one is not None]
        if len(kept) < len(target.classes):
            return
        scores = np.stack(kept, 1)
        best = np.where(np.isfinite(scores).all(1), np.argmax(np.nan_to_num(scores), 1), -1)
        title = f"{model}: {name}"
        yield Colouring(title, group, "category", best * 1.0, target.classes, "prediction")
        right = np.where(best < 0, -1.0, best != truth)
        yield Colouring(f"{title}, right or wrong", group, "category", right, ("right", "wrong"))
        return
    for number, value in enumerate(target.values):
        yield Colouring(
            f"truth: {value}", group, "value", _list(row.columns[f"{name}_{number}"]), role="truth"
        )
        if (found := row.column(model, name, Quantity(value))) is not None:
            yield Colouring(f"{model}: {value}", group, "value", _list(found), role="prediction")


def _of_edges(
    row: Predictions, model: str, group: str, target: Target, truth: Any
) -> Iterator[Colouring]:
    first, second, score = (
        row.column(model, target.name, quantity)
        for quantity in (
            Quantity("edge", "first"),
            Quantity("edge", "second"),
            Quantity(target.classes[target.signal_index]),
        )
    )
    if first is None or second is None or score is None:
        return
    ends = np.stack([_list(first), _list(second)]).astype(np.int64)
    ends = ends[:, _list(score) > THRESHOLD]
    if ends.size and ends.max() >= len(truth):
        return
    right = (truth[ends[0]] == truth[ends[1]]) & (truth[ends[0]] >= 0)
    edges = {"first": ends[0], "second": ends[1], "right": right}
    title = f"{model}: edges of probability > {THRESHOLD:g}"
    yield Colouring(title, group, "id", truth, role="prediction", edges=edges)


def _of_assignment(row: Predictions, model: str, group: str, target: Target) -> Iterator[Colouring]:
    """Yield the role of each item by truth and by prediction; it has the length of its group."""
    for title, role, of_role in (
        (f"truth: {target.name}", "truth", lambda one: row.truth(target.name, one)),
        (f"{model}: {target.name}", "prediction", lambda one: _index(row, model, target, one)),
    ):
        items = [of_role(one) for one in target.labels]
        if any(one is None for one in items):
            return
        found = np.full(
            max([int(one[0]) for one in items if one is not None], default=-1) + 1, -1.0
        )
        for number, one in enumerate(items):
            if one is not None and one[0] >= 0:
                found[int(one[0])] = number
        yield Colouring(
            title, target.group or group, "category", found, tuple(target.labels),
            "truth" if role == "truth" else "prediction", extends=True,
        )  # fmt: skip


def _index(row: Predictions, model: str, target: Target, role: str) -> Any:
    return row.column(model, target.name, Quantity(role, "index"))
