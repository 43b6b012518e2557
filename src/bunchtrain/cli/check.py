"""The command `bunchtrain check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bunchtrain.cli.catalogue import AsJson
from bunchtrain.cli.output import make_console, show_json, show_rows
from bunchtrain.cli.run import Overrides, SizeOption, StudyName

if TYPE_CHECKING:
    from bunchtrain.workflow.check import Check
    from bunchtrain.workflow.check_graph import StageCheck

out = make_console()


def check(
    study: StudyName,
    overrides: Overrides = None,
    size: SizeOption = None,
    runs: Annotated[Path, typer.Option(help="Folder of earlier runs.")] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """Check a study without a training: graph, columns, events of each class, cost, misfits."""
    from dataclasses import asdict

    from bunchtrain.study import load
    from bunchtrain.workflow.check import check as check_study

    found = check_study(load(study, *(overrides or []), size=size), runs)
    if as_json:
        show_json(asdict(found))
    else:
        _show(found)
    if found.problems:
        raise typer.Exit(2)


def _show(found: Check) -> None:
    if found.stages:
        header: tuple[str, ...] = ("stage", "kind", "reads", "result", "took", "memory")
        title = f"Graph of {len(found.stages)} stages"
        show_rows(out, header, map(_stage, found.stages), title=title, right=("took", "memory"))
        out.print()
    if found.columns:
        header = ("column", "type", "unit") if found.units else ("column", "type")
        columns = [[n, type, found.units.get(n, "")] for n, type in found.columns.items()]
        rows = [one[: len(header)] for one in columns]
        show_rows(out, header, rows, title=f"{len(rows)} columns are read")
        out.print()
    if found.sampled:
        part = "all" if found.scale == 1 and found.entries else f"a sample of {found.sampled:,} of"
        total = f"{found.entries:,}" if found.entries is not None else "an unknown number of"
        title = f"Events of each class and set, from {part} {total} events"
        header = ("", *found.events)
        show_rows(out, header, _counts(found), title=title, right=tuple(found.events))
        out.print()
    if found.costs:
        header = ("model", "parameters", "memory of events", "time")
        show_rows(out, header, _costs(found), title="Expected for all events")
        out.print()
    for text in found.warnings:
        out.print(f"warning: {text}", soft_wrap=True, highlight=False)
    for text in found.problems:
        out.print(f"problem: {text}", soft_wrap=True, highlight=False)
    if not found.problems:
        out.print("no problem found", highlight=False)


def _stage(one: StageCheck) -> list[str]:
    events = ", ".join(f"{name} {count:,}" for name, count in one.events.items())
    cached = f"cached, in {one.cached_in}" if one.cached_in else "to run"
    return [
        f"{'│ ' * (one.depth - 1)}{'└ ' if one.depth else ''}{one.name}",
        one.kind,
        ", ".join(one.inputs[:4]) + (f" and {len(one.inputs) - 4} more" if one.inputs[4:] else ""),
        f"{cached}{': ' if events else ''}{events}",
        "" if one.seconds is None else f"{one.seconds:.3g} s",
        "" if not one.memory_mb else f"{one.memory_mb:,.0f} MB",
    ]


def _counts(found: Check) -> Iterator[list[str]]:
    for name, passed in found.cutflow.items():
        yield [f"{name}: {passed:,}", *("" for _ in found.events)]
    yield ["all", *(f"{count:,}" for count in found.events.values())]
    for target, classes in found.classes.items():
        for label, counts in classes.items():
            yield [f"{target}: {label}", *(f"{count:,}" for count in counts)]


def _costs(found: Check) -> Iterator[list[str]]:
    for name, cost in found.costs.items():
        what = "to represent the events, then one fit" if cost.in_one_call else "an epoch"
        parameters = f"{cost.parameters:,}" if cost.parameters else "–"
        if cost.trained is not None:
            parameters = f"{cost.trained:,} trained of {parameters}"
        yield [name, parameters, f"{cost.memory / 1e6:,.1f} MB", f"{cost.seconds:.3g} s {what}"]
