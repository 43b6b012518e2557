"""The report of a run: what `evaluation.report` shows, filled in from the folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.files import write_text
from bunchtrain.report import Member, Plot, Report, Table, render
from bunchtrain.study import Ensemble, ModelConfig, Study, combined, model_configs
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.trained_model import TrainedModel, load
from bunchtrain.workflow.capsules import capsule_plots
from bunchtrain.workflow.comparing import gain_tables, weighed_plots
from bunchtrain.workflow.costs import Cost, costs
from bunchtrain.workflow.drawing import comparison_plots, importance_plot, input_plot, member_plots
from bunchtrain.workflow.figures import published_of
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.image_plots import image_plots
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.ranges import range_tables
from bunchtrain.workflow.resources import resource_plots, resource_tables, resources
from bunchtrain.workflow.working_points import working_point_tables


def write_report(folder: RunFolder) -> Path:
    """Write `report.html` from what lies in the folder and return its path."""
    write_text(folder.report_file, render(make_report(folder)))
    return folder.report_file


def make_report(folder: RunFolder) -> Report:
    """Return what the report of a run shows."""
    study = folder.study()
    outcome = Predictions.read(study, folder.predictions_file)
    metrics = folder.json("metrics.json")
    networks = {name: load(folder.model(name)) for name in model_configs(study)}
    spent = costs(folder, study)
    rows = [
        _member(folder, outcome, member, networks[name], metrics[name], spent[name])
        for name, member in model_configs(study).items()
    ]
    plots = [*comparison_plots(outcome), *weighed_plots(outcome, metrics, spent)]
    circuits = resources(folder, metrics, networks)
    return Report(
        title=study.heading,
        description=study.description.strip(),
        note=study.evaluation.note.strip(),
        references=study.references,
        members=[*rows, *_ensembles(study, metrics, spent)],
        plots=[*plots, *resource_plots(circuits)],
        tables=[
            *working_point_tables(outcome, metrics),
            *gain_tables(folder.json("gains.json")),
            *resource_tables(circuits),
            *range_tables(folder, model_configs(study)),
        ],
        data=data_tables(folder.json("data.json")),
        data_facts=data_facts(folder),
        inputs=list(_inputs(folder, outcome, networks)),
        study_yaml=folder.study_file.read_text(encoding="utf-8"),
        environment=folder.json("environment.json"),
        created=datetime.now().strftime("%Y-%m-%d %H:%M"),
        kind="events",
    )


def _member(
    folder: RunFolder,
    outcome: Predictions,
    member: ModelConfig,
    network: TrainedModel,
    metrics: Any,
    spent: Cost,
) -> Member:
    plots = [*member_plots(folder, outcome, member.name), importance_plot(network)]
    return Member(
        name=member.name,
        model=member.model.name,
        metrics=metrics,
        paper=parts.paper(parts.find("model", member.model.name)),
        options=all_options(member),
        parameters=spent.parameters,
        training_seconds=spent.seconds,
        memory_bytes=spent.memory,
        rate=spent.rate,
        training_rate=spent.training_rate,
        training_events=spent.events,
        epochs=spent.epochs,
        trainings=member.seeds,
        published=published_of(member),
        plots=[plot for plot in plots if plot is not None],
        remarks=member.note,
    )


def _ensembles(study: Study, metrics: Any, spent: dict[str, Cost]) -> Iterator[Member]:
    how = {
        "mean": "Mean of the scores of",
        "trained": "Logistic regression on the logits of",
        "ddt": "Less a line along the column, of",
        "quantile": "Less its quantile along the column, of",
    }
    for name, ensemble in study.ensembles.items():
        chosen = combined(ensemble, model_configs(study))
        yield Member(
            name=name,
            model=_short(ensemble, len(chosen)),
            metrics=metrics[name],
            options={how[ensemble.by]: ", ".join(chosen)},
            parameters=spent[name].parameters,
            rate=spent[name].rate,
            published=published_of(ensemble),
            remarks=ensemble.note,
        )


def _short(ensemble: Ensemble, networks: int) -> str:
    if ensemble.flattens:
        return f"{ensemble.by} in {ensemble.against}"
    return f"{'mean' if ensemble.by == 'mean' else 'combination'} of {networks} networks"


def all_options(member: ModelConfig) -> dict[str, Any]:
    """Return the options of a network's parts, defaults included, for the reader."""
    shown: dict[str, Any] = {}
    for kind in ("model", "representation"):
        part = getattr(member, kind)
        values = parts.validate(kind, part.name, part.options, kind)
        shown |= {key if kind == "model" else f"{part.name}: {key}": v for key, v in values.items()}
    training = member.training.model_dump(mode="json", exclude_none=True)
    return shown | {key: training[key] for key in ("epochs", "batch_size", "learning_rate")}


def _inputs(
    folder: RunFolder, outcome: Predictions, networks: dict[str, TrainedModel]
) -> list[Plot]:
    """One plot for each different representation; none where the cache is gone."""
    target = next(iter(outcome.classifiers), None)
    try:
        cache = EventCache.open(Path(folder.json("data.json").get("folder", "")))
    except DataError:
        return []
    different = {yaml.safe_dump(n.task.representation): n for n in networks.values()}
    plots = [input_plot(network, cache, target) for network in different.values()]
    found = [plot for plot in plots if plot is not None]
    seen = image_plots(outcome, networks, cache, target)
    return [*found, *seen, *capsule_plots(outcome.study, networks, cache)]


def data_tables(data: dict[str, Any]) -> list[Table]:
    """Return events by set and class, and the events left after each condition."""
    sets = list(data["rows"])
    rows: list[list[object]] = [["all", *(data["rows"][name] for name in sets)]]
    for target, classes in data["classes"].items():
        counts = data["class_counts"][target]
        rows += [
            [f"{target}: {label}", *(counts[name][number] for name in sets)]
            for number, label in enumerate(classes)
        ]
    cuts = [[name, number] for name, number in data["cutflow"].items()]
    return [
        Table("Events in each set.", ["Class", *sets], rows),
        Table("Events left after each condition.", ["Condition", "Events"], cuts),
    ]


def data_facts(folder: RunFolder) -> dict[str, str]:
    """Return where the events come from and what was asked of them."""
    study, data = folder.study(), folder.json("data.json")
    facts = {
        "Source": f"{study.source.name} {study.source.options}",
        "Selection": study.select or "none",
        "Split": f"{study.split.name} {study.split.options}",
        "Weights": study.weights.model_dump_json(exclude_none=True),
        "Invalid values": study.invalid,
        "Seed": str(study.seed),
        "Cache": data.get("key", ""),
    }
    return {name: text for name, text in facts.items() if text}
