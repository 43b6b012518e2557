"""The commands `bunchtrain parts`, `studies` and `schema`: what a study may contain."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from rich.table import Table

from bunchtrain import parts as registry
from bunchtrain.cli.output import make_console, show_json, show_rows
from bunchtrain.errors import StudyError, nearest, one_of

out = make_console()

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


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
    as_json: AsJson = False,
) -> None:
    """List the available parts, or the options of one part with an example."""
    if kind is not None and kind not in registry.KINDS:
        hint = nearest(kind, registry.KINDS) or f"; the kinds are {one_of(registry.KINDS)}"
        raise StudyError(f"unknown kind of part '{kind}'{hint}")
    if targets:
        _show_targets(as_json)
    elif kind and name:
        _show_part(kind, name, as_json)
    else:
        _show_parts([kind] if kind else list(registry.KINDS), as_json)


def studies() -> None:
    """List the studies that can be run by name."""
    from bunchtrain.study.loading import known, read

    rows = []
    for name, path in sorted(known().items()):
        content = read(path)
        rows.append([name, ", ".join(content.get("sizes") or {}), content.get("title", "")])
    show_rows(out, ("study", "sizes", "title"), rows, title="Studies", prose=("title",))


def schema() -> None:
    """Print the JSON schema of a study."""
    from bunchtrain.study import json_schema

    print(json.dumps(json_schema(), indent=2, default=str))


def _show_parts(kinds: list[str], as_json: bool) -> None:
    """Print the parts of some kinds with their papers."""
    rows = [
        [kind, name, found.paper, found.summary]
        for (kind, name), found in registry.describe_all(kinds).items()
    ]
    header = ("kind", "name", "paper", "description")
    if as_json:
        show_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        show_rows(out, header, rows, title="Parts of a study", prose=("description",))


def _show_part(kind: str, name: str, as_json: bool) -> None:
    """Print the options of one part, an example and the studies that use it."""
    from bunchtrain.study.examples import example, studies_with

    name = registry.absolute_name(name, None)
    part, found = registry.find(kind, name), registry.describe(kind, name)
    text, options = registry.option_docs(part), registry.options(part).values()
    shown, used = example(kind, name), studies_with(kind, name)
    if as_json:
        content: dict[str, Any] = {"kind": kind, "name": name, "description": found.summary}
        content |= {"paper": found.paper, "example": shown, "studies": used}
        content["options"] = [
            {
                "option": one.name,
                "type": one.type,
                "required": one.required,
                "default": one.default,
                "description": text[one.name],
            }
            for one in options
        ]
        show_json(content)
        return
    paper = f" (arXiv:{found.paper})" if found.paper not in found.summary else ""
    title = f"{kind} {registry.short_name(name)}: {found.summary}{paper}"
    header = ("option", "type", "default", "description")
    rows = [
        [one.name, one.type, "required" if one.required else repr(one.default), text[one.name]]
        for one in options
    ]
    if rows:
        show_rows(out, header, rows, title=title, prose=("type", "default", "description"))
    else:
        out.print(f"{title}\nIt has no options.", soft_wrap=True)
    out.print(f"\nExample:\n\n{shown}", soft_wrap=True, highlight=False)
    if used:
        out.print(f"Studies that use it: {', '.join(used)}", soft_wrap=True, highlight=False)


def _show_targets(as_json: bool) -> None:
    """Print which model can be exported to which target, or why not."""
    targets = sorted(registry.locate("export"))
    found = list(_reasons(targets))
    if as_json:
        show_json(
            {m: {t: r or "yes" for t, r in zip(targets, why, strict=True)} for m, why in found}
        )
        return
    cells = {m: [f"no: {reason}" if reason else "yes" for reason in why] for m, why in found}
    if not out.is_terminal:
        rows = [[m, t, r] for m, row in cells.items() for t, r in zip(targets, row, strict=True)]
        show_rows(out, ("model", "target", "export with default options"), rows)
        return
    table = Table(title="Export of models with default options", show_lines=True)
    table.add_column("model", no_wrap=True)
    for target in targets:
        table.add_column(target)
    for model, row in cells.items():
        table.add_row(model, *row)
    out.print(table)


def _reasons(targets: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each model with the reason for each target, '' where it can be exported."""
    from bunchtrain.deployment.capability_cache import cached_reasons
    from bunchtrain.workflow.progress import say

    models = sorted(registry.locate("model"))
    for model, found in cached_reasons(models, targets, lambda name: say(f"checked {name}")):
        yield model, [found[target] for target in targets]
