"""The commands `bunchtrain parts`, `studies` and `schema`: what a study may contain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.table import Table

from bunchtrain import parts as registry
from bunchtrain.cli.output import make_console
from bunchtrain.errors import StudyError, nearest, one_of

out = make_console()


def parts(
    kind: Annotated[
        str | None, typer.Argument(help="One kind, e.g. model or representation.")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="One part, to list its options.")] = None,
    targets: Annotated[
        bool,
        typer.Option(
            "--targets", help="List which models can be exported to which targets, with reasons."
        ),
    ] = False,
) -> None:
    """List the available parts, or the options of one part."""
    if kind is not None and kind not in registry.KINDS:
        hint = nearest(kind, registry.KINDS) or f"; the kinds are {one_of(registry.KINDS)}"
        raise StudyError(f"unknown kind of part '{kind}'{hint}")
    if targets:
        out.print(target_table())
    elif kind and name:
        out.print(option_table(kind, name))
    else:
        out.print(part_table([kind] if kind else list(registry.KINDS)))


def studies() -> None:
    """List the studies that can be run by name."""
    from bunchtrain.study.loading import known, read

    table = Table("study", "title", "sizes", title="Studies")
    for name, path in sorted(known().items()):
        content = read(path)
        table.add_row(name, str(content.get("title", "")), ", ".join(content.get("sizes") or {}))
    out.print(table)


def schema() -> None:
    """Print the JSON schema of a study."""
    from bunchtrain.study import json_schema

    print(json.dumps(json_schema(), indent=2, default=str))


def part_table(kinds: list[str]) -> Table:
    """Return the parts of some kinds with their papers."""
    table = Table("kind", title="Parts of a study")
    table.add_column("name", no_wrap=True)  # names can be copied also from 80 columns
    table.add_column("description")
    table.add_column("paper")
    for kind in kinds:
        for name in sorted(registry.locate(kind)):
            found = registry.describe(kind, name)
            table.add_row(kind, name, found.summary, found.paper)
        table.add_section()
    return table


def option_table(kind: str, name: str) -> Table:
    """Return the options of one part with types, defaults and descriptions."""
    name = registry.absolute_name(name, None)
    part = registry.find(kind, name)
    text = registry.option_docs(part)
    title = f"{kind} {registry.short_name(name)}: {registry.describe(kind, name).summary}"
    table = Table("option", "type", "default", "description", title=title)
    for option in registry.options(part).values():
        default = "required" if option.required else repr(option.default)
        row = [option.name, option.type, default, text[option.name]]
        table.add_row(*row)
    return table


def target_table() -> Table:
    """Return which model can be exported to which target, or why not."""
    targets = sorted(registry.locate("export"))
    title = "Export of models with default options"
    table = Table("model", *targets, title=title, show_lines=True)
    for model, reasons in _reasons(targets):
        table.add_row(model, *(f"no: {reason}" if reason else "yes" for reason in reasons))
    return table


def _reasons(targets: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each model with the reason for each target, '' where it can be exported."""
    from bunchtrain.deployment.capability_cache import cached_reasons
    from bunchtrain.workflow.progress import say

    models = sorted(registry.locate("model"))
    for model, found in cached_reasons(models, targets, lambda name: say(f"checked {name}")):
        yield model, [found[target] for target in targets]
