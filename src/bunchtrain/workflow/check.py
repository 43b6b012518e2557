"""Check of a study without a training: columns, events of each class and set, cost, misfits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

import awkward as ak
import numpy as np

from bunchtrain.batch import Batch
from bunchtrain.errors import BunchtrainError
from bunchtrain.methods.build import AnyNetwork, build_network, build_normalised_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.protocols import ChecksInputs
from bunchtrain.methods.task import Task
from bunchtrain.representations._packed import PackedPoints
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.normalisation import Normalisation
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.study.derived import with_source
from bunchtrain.tables.arrow import to_events
from bunchtrain.tables.cache.builder import SETS
from bunchtrain.tables.cache.selection import KEY, Selection
from bunchtrain.tables.table import Table
from bunchtrain.workflow.check_graph import StageCheck, check_graph
from bunchtrain.workflow.evaluate import evaluation_parts, make_evaluation
from bunchtrain.workflow.export import check_exports
from bunchtrain.workflow.graph.kinds.trained import find_trained
from bunchtrain.workflow.preparation import (
    build_untrained,
    check_tensors,
    make_source,
    recipe,
)
from bunchtrain.workflow.starts import check_starts, started_task

if TYPE_CHECKING:
    from bunchtrain.methods.supervised import Network

#: Task, representation and network of a model before its training.
Untrained: TypeAlias = tuple[Task, Representation, AnyNetwork]

#: Events of which classes, sets and cost are measured; fewer in a class are too few for metrics.
ROWS, _FEW = 20_000, 100
_BLOCK, _STEPS = 1000, 3


@dataclass(frozen=True)
class ModelCost:
    """Expected cost of one model.

    parameters  of the untrained model; 0 of trees.
    memory      bytes of the represented training and validation events.
    seconds     of one epoch in this process; of the representation alone for a model that is fit
                in one call, such as trees.
    in_one_call whether it is.
    trained     those that are trained from the first epoch on, if `training.freeze` is set.
    """

    parameters: int
    memory: float
    seconds: float
    in_one_call: bool
    trained: int | None = None


@dataclass
class Check:
    """What a run of a study would find.

    columns   column of the source that the study reads → type.
    units     column of those → unit, where it is known.
    entries   number of events of the source, None if unknown.
    sampled   events that were read.
    cutflow   condition → events of the sample that pass it.
    events    set → events of the sample.
    classes   target → class → events of each set.
    costs     model → expected cost with all events.
    stages    of the graph, each after those that it reads.
    problems  what a run would refuse.
    warnings  what deserves a look.
    """

    columns: dict[str, str] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    entries: int | None = None
    sampled: int = 0
    cutflow: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    classes: dict[str, dict[str, list[int]]] = field(default_factory=dict)
    costs: dict[str, ModelCost] = field(default_factory=dict)
    stages: list[StageCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def scale(self) -> float:
        """Events of the source for each event of the sample; 1 if their number is unknown."""
        return self.entries / self.sampled if self.entries and self.sampled else 1.0


def check(study: Study, runs: Path | str = "runs") -> Check:
    """Return what a run of a study would find, from a sample of its events, without a training.

    runs  folder of the runs, in which results of stages and trained models are looked up.

    Raises no error of the user: each is in `problems`.
    """
    found = Check()
    models = model_configs(study)
    built = {
        name: _collect(found, partial(build_untrained, study, models[name])) for name in models
    }
    if all(built.values()):
        networks = {name: made[2] for name, made in built.items()}
        _collect(found, lambda: check_tensors(study, networks))
        _collect(found, lambda: check_exports(study))
    for key, (name, options) in evaluation_parts(study).items():
        _collect(found, partial(make_evaluation, study, name, options), f"{key}: ")
    _collect(found, lambda: check_starts(study, Path(runs)))
    for name, stage in study.stages.items():
        if stage.kind == "trained":
            _collect(found, partial(find_trained, stage.options, Path(runs), f"stages.{name}"))
    found.stages = _collect(found, lambda: check_graph(study, Path(runs))) or []
    study = _with_table(found, study)
    is_known = study.source.name not in study.stages
    source = _collect(found, lambda: make_source(study)) if is_known else None
    if source is not None and not source.is_prepared:
        found.warnings.append("the events are simulated by the run; they are not checked here")
    elif source is not None:
        events = _collect(found, lambda: _read(found, study, source))
        if events is not None and len(events):
            made = {name: one for name, one in built.items() if one}
            _add_costs(found, study, made, events, Path(runs))
    return found


def _with_table(found: Check, study: Study) -> Study:
    """Return the study with the table of the stage that is its source, if an earlier run has it."""
    if study.source_stage is None:
        return study
    run = next((o.cached_in for o in found.stages if o.name == study.source_stage), None)
    if run is None:
        found.warnings.append(
            f"the events are the table of stage '{study.source_stage}', which no run has made yet; "
            "they are not checked here"
        )
        return study
    return with_source(study, Path(run))


def _collect(found: Check, work: Callable[[], Any], where: str = "") -> Any:
    """Return the result of some work; its error is a problem, and the result then None."""
    try:
        return work()
    except BunchtrainError as problem:
        if (text := f"{where}{problem}") not in found.problems:
            found.problems.append(text)
        return None


def _read(found: Check, study: Study, source: Table) -> ak.Array | None:
    """Count the events of a sample, and return those of the training set."""
    wanted = recipe(study, source)
    columns, fields = wanted.source_columns(), source.fields()
    # those of the first row of a window are made of columns that are listed
    found.columns = {name: fields[name] for name in columns if name in fields}
    found.units = {name: unit for name, unit in source.units().items() if name in found.columns}
    found.entries = source.entries
    selection, kept = Selection(wanted), []
    for chunk in source.sample(columns, ROWS):
        table = selection(chunk)
        sets = (table[KEY].to_numpy() >> np.uint64(62)).astype(int)
        for index, name in enumerate(SETS):
            found.events[name] = found.events.get(name, 0) + int((sets == index).sum())
        kept.append(to_events(table))
    found.sampled, found.cutflow = selection.cutflow["read"], dict(selection.cutflow)
    selection.check()
    for target in study.all_targets():
        counts = selection.class_counts.get(target.name)
        if counts is not None:
            found.classes[target.name] = {
                label: counts[:, k].tolist() for k, label in enumerate(target.classes)
            }
    _judge(found)
    return ak.concatenate(kept)[:_BLOCK]


def _judge(found: Check) -> None:
    """Add problems and warnings about the numbers of events."""
    for name, count in found.events.items():
        if not count:
            found.problems.append(f"the split leaves no event for {name}; change its fractions")
    for target, classes in found.classes.items():
        for label, counts in classes.items():
            expected = round(found.scale * sum(counts))
            where = f"targets.{target}: the class '{label}'"
            if not expected:
                found.warnings.append(f"{where} has no event in the sample")
            elif expected < _FEW:
                found.warnings.append(f"{where} has only about {expected} events")


def _add_costs(
    found: Check, study: Study, built: Mapping[str, Untrained], events: ak.Array, runs: Path
) -> None:
    """Add the cost of each model, measured on some events."""
    models = model_configs(study)
    for name, (made, representation, network) in built.items():
        where = f"models.{name}: " if study.models else ""
        cost = _collect(found, partial(_cost, found, made, representation, network, events), where)
        if cost is None:
            continue
        if models[name].training.start is not None and not found.problems:
            begin = partial(_beginning, found, study, models[name], representation, events, runs)
            cost = replace(cost, trained=_collect(found, begin, where))
        found.costs[name] = cost
        if isinstance(representation, PackedPoints):
            predicted = made.predicts_points
            if text := representation.limit_warning([events], are_predicted=predicted):
                found.warnings.append(f"{where}{text}")
        if cost.memory > made.memory / 2:
            found.warnings.append(
                f"{where}the represented events need about {cost.memory / 1e9:.1f} GB and "
                f"are read from disk again in each epoch; storage.memory: "
                f"'{2 * cost.memory / 1e9:.0f} GB' keeps them"
            )


def _cost(
    found: Check, made: Task, representation: Representation, network: AnyNetwork, events: ak.Array
) -> ModelCost:
    columns = representation.columns(events.fields)
    begin = time.perf_counter()
    batch = Batch(representation(events[columns]))
    represented = (time.perf_counter() - begin) / len(events)
    size = sum(value.nbytes for value in batch.inputs.values()) / len(events)
    training = found.scale * found.events.get("train", 0)
    used = min(training, made.settings.get("events") or training)
    both = used + found.scale * found.events.get("validation", 0)
    seconds, parameters = represented, network.trained_parameters
    if not isinstance(network, FittedNetwork):
        if isinstance(network.model, ChecksInputs):
            scaled = build_normalised_network(made, representation, [batch])
            assert not isinstance(scaled, FittedNetwork)
            network.model.check_inputs(scaled.normalise(batch.tensors().inputs))
        parameters = sum(p.numel() for p in network.model.parameters())
        if network.trains_by_gradient:
            seconds = _step(network, batch, int(made.settings["batch_size"]))
    return ModelCost(parameters, size * both, seconds * used, not network.trains_by_gradient)


def _beginning(
    found: Check,
    study: Study,
    model: ModelConfig,
    representation: Representation,
    events: ak.Array,
    runs: Path,
) -> int | None:
    """Return how many parameters are trained at first, None if all; add warnings about the start.

    Raises StudyError if the trained model does not fit.
    """
    from bunchtrain.training.freezing import check_frozen, frozen_parameters
    from bunchtrain.training.transfer import start_network

    batch = Batch(representation(events[representation.columns(events.fields)]))
    with TemporaryDirectory() as place:
        made = started_task(study, model, runs, Path(place))
        normalisation = Normalisation.fit([batch.inputs], representation, made.invalid)
        network = build_network(made, representation, normalisation)
        transfer = start_network(network, made, representation, [batch])
    found.warnings += [f"{model.name}: {text}" for text in transfer.warnings]
    if isinstance(network, FittedNetwork):
        return None
    frozen = frozen_parameters(network, made, representation)
    check_frozen(network, frozen, made, transfer)
    return transfer.parameters - transfer.frozen if frozen else None


def _step(network: Network, batch: Batch, rows: int) -> float:
    """Return the seconds for an event in a step of the training, the least of a few."""
    import torch

    from bunchtrain.methods.method_network import MethodNetwork

    chosen = batch.take(np.arange(min(rows, len(batch)))).tensors().inputs
    found = []
    for _ in range(_STEPS):
        begin = time.perf_counter()
        if isinstance(network, MethodNetwork):
            outputs = network.method.losses(network.normalise(chosen))
        else:
            outputs = network(chosen)
        values = outputs.values()
        total = sum((value.float().square().sum() for value in values), torch.zeros(()))
        if total.requires_grad:
            total.backward()  # type: ignore[no-untyped-call]
        found.append((time.perf_counter() - begin) / min(rows, len(batch)))
    return min(found)
