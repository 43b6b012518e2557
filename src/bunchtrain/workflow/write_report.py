"""The report of a run: the saved results of its evaluations with study, data and costs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.files import write_text
from bunchtrain.report import ModelSummary, Plot, Report, Section, Table, render
from bunchtrain.report.costs import Cost, costs
from bunchtrain.report.key_table import published_metrics, stage_entries
from bunchtrain.report.render import seconds
from bunchtrain.report.results import Results
from bunchtrain.report.stage_graph import StageBox
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import ModelConfig, Study, ensemble_models, model_configs
from bunchtrain.workflow.displays import report_display
from bunchtrain.workflow.evaluate import saved_results
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.record import read_record
from bunchtrain.workflow.trainings import training_warnings, trainings

#: How an ensemble combines the scores of its models.
COMBINATIONS = {
    "mean": "Mean of the scores of",
    "trained": "Logistic regression on the logits of",
    "ddt": "Score minus a straight line in the column, of",
    "quantile": "Score minus its quantile as a function of the column, of",
}


def write_report(folder: RunFolder) -> Path:
    """Write `report.html` from the saved results in the folder and return its path."""
    write_text(folder.report_file, render(make_report(folder)))
    return folder.report_file


def make_report(folder: RunFolder) -> Report:
    """Return the content of the report of a run."""
    study = folder.study()
    results = saved_results(folder, study)
    common = [one for one in results if not one.title]
    plots = [plot for one in results for plot in one.plots]
    return Report(
        title=study.heading,
        description=study.description.strip(),
        note=study.note.strip(),
        references=study.references,
        models=list(_models(folder, study, plots)),
        plots=[plot for one in common for plot in _for_all_models(one.plots)],
        tables=[table for one in common for table in one.tables],
        sections=_sections(results, {*model_configs(study), *study.ensembles}),
        data=data_tables(folder.json("data.json"), study.select or ""),
        data_facts=data_facts(folder, study),
        inputs=[plot for plot in plots if plot.section == "inputs"],
        study_yaml=folder.study_file.read_text(encoding="utf-8"),
        environment=folder.json("environment.json"),
        stages=stage_boxes(folder.path),
        stage_metrics={
            one.name: one.metrics for one in stage_entries(study, folder.json("metrics.json"))
        },
        display=report_display(folder),
        created=datetime.now().strftime("%Y-%m-%d %H:%M"),
    )


def stage_boxes(run: Path) -> list[StageBox]:
    """Return the stages in the record of a run, [] for a run without one."""
    return [
        StageBox(
            name,
            one.kind,
            one.inputs,
            state="reused" if one.reused_from else {"finished": "ran"}.get(one.state, one.state),
            time="reused" if one.reused_from else seconds(one.seconds),
            memory=f"{one.memory_mb:.0f} MB" if one.memory_mb and not one.reused_from else "–",
            details=f"from {Path(one.reused_from).name}" if one.reused_from else one.why,
        )
        for name, one in read_record(run).items()
    ]


def _sections(results: Sequence[Results], models: Collection[str]) -> list[Section]:
    """Return a section for each title, with all results of that title, e.g. of one stage.

    models  that have a section of their own, where their plots are.
    """
    found: dict[str, list[Results]] = {}
    for one in results:
        if one.title:
            found.setdefault(one.title, []).append(one)
    return [
        Section(
            title,
            [
                plot
                for one in own
                for plot in one.plots
                if plot.section == "results" and plot.model not in models
            ],
            [table for one in own for table in one.tables],
        )
        for title, own in found.items()
    ]


def _for_all_models(plots: Sequence[Plot]) -> list[Plot]:
    return [plot for plot in plots if not plot.model and plot.section == "results"]


def _models(folder: RunFolder, study: Study, plots: Sequence[Plot]) -> Iterator[ModelSummary]:
    """Yield the models and the ensembles of a study."""
    metrics: Mapping[str, Metrics] = folder.json("metrics.json")
    spent, given = costs(study, folder.json), published_metrics(study)
    for name, model in model_configs(study).items():
        yield ModelSummary(
            name=name,
            model=parts.short_name(model.model.name),
            metrics=metrics.get(name, {}),
            paper=parts.describe(model.kind, model.model.name).paper,
            options=all_options(model),
            cost=spent[name],
            trainings=model.seeds,
            published=given.get(name),
            plots=[plot for plot in plots if plot.model == name and plot.section == "results"],
            remarks=" ".join(
                [
                    *(model.note, _beginning(folder, name)),
                    *map(_sentence, training_warnings(folder, trainings(folder, study, model))),
                ]
            ).strip(),
        )
    for name, ensemble in study.ensembles.items():
        chosen = ensemble_models(ensemble, model_configs(study))
        kind = f"{'mean' if ensemble.by == 'mean' else 'combination'} of {len(chosen)} models"
        yield ModelSummary(
            name=name,
            model=f"{ensemble.by} in {ensemble.against}" if ensemble.flattens else kind,
            metrics=metrics.get(name, {}),
            options={COMBINATIONS[ensemble.by]: ", ".join(chosen)},
            cost=Cost(parameters=spent[name].parameters, rate=spent[name].rate),
            published=given.get(name),
            plots=[plot for plot in plots if plot.model == name and plot.section == "results"],
            remarks=ensemble.note,
        )


def _beginning(folder: RunFolder, model: str) -> str:
    """Return the sentence about the trained model that the first training started from, or ''."""
    text = folder.json(f"models/{model}/training.json").get("start", {}).get("text", "")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _sentence(warning: str) -> str:
    return f"Warning: {warning}."


def all_options(model: ModelConfig) -> dict[str, Any]:
    """Return the options of a model and its representation, defaults included."""
    shown: dict[str, Any] = {}
    for kind in ("model", "representation"):
        part = getattr(model, kind)
        of = model.kind if kind == "model" else kind
        values = parts.validate(of, part.name, part.options, of)
        shown |= {
            key if kind == "model" else f"{parts.short_name(part.name)}: {key}": v
            for key, v in values.items()
        }
    training = model.training.model_dump(mode="json", exclude_none=True)
    return shown | {key: training[key] for key in ("epochs", "batch_size", "learning_rate")}


def data_tables(data: Mapping[str, Any], select: str = "") -> list[Table]:
    """Return events by set and class, and the events that pass each condition."""
    if not data:  # a study whose stages alone have events
        return []
    sets = list(data["rows"])
    rows: list[list[object]] = [["all", *(data["rows"][name] for name in sets)]]
    for target, classes in data["classes"].items():
        counts = data["class_counts"][target]
        rows += [
            [f"{target}: {label}", *(counts[name][k] for name in sets)]
            for k, label in enumerate(classes)
        ]
    cuts = [[_condition(key, select), count] for key, count in data["cutflow"].items()]
    tables = [
        Table("Events in each set.", ["Class", *sets], rows),
        Table("Events after each condition.", ["Condition", "Events"], cuts),
    ]
    if capped := data.get("capped"):
        caption = "Training events whose factor is the limit of weights.reweight."
        tables.append(Table(caption, ["Class", "Events"], [[*one] for one in capped.items()]))
    return tables


def _condition(key: str, select: str) -> str:
    """Return a condition of the cache in words."""
    kind, _, name = key.partition(".")
    if kind == "targets":
        return f"in one of the classes of {name}"
    words = {"read": "all that were read", "select": select, "weights": "weight is not negative"}
    return words.get(kind, key)


def data_facts(folder: RunFolder, study: Study) -> dict[str, str]:
    """Return source, selection, split, weights and cache of the events."""
    facts = {
        "Source": _one_line(study.source.name, study.source.options),
        "Selection": study.select or "none",
        "Split": _one_line(study.split.name, study.split.options),
        "Weights": _one_line("", study.weights.model_dump(mode="json", exclude_none=True)),
        "NaN, infinity": study.invalid,
        "Seed": str(study.seed),
        "Cache key": folder.json("data.json").get("key", ""),
    }
    return {name: text for name, text in facts.items() if text}


def _one_line(name: str, options: Mapping[str, Any]) -> str:
    """Return a part or a mapping as text: `fraction, train: 0.7, key: event_id`."""
    shown = [
        f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in options.items()
    ]
    return ", ".join([name, *shown] if name else shown)
