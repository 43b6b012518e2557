"""Tables of what there is: parts, studies and published samples."""

from __future__ import annotations

from rich.table import Table

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of


def _kinds(kind: str | None) -> list[str]:
    if kind is not None and kind not in parts.PACKAGES:
        hint = nearest(kind, parts.PACKAGES) or f"; the kinds are {one_of(parts.PACKAGES)}"
        raise StudyError(f"there is no kind of part '{kind}'{hint}")
    return [kind] if kind else list(parts.PACKAGES)


def part_table(kind: str | None = None) -> Table:
    """Return the parts of a kind, or of all, with their papers and the names of their options."""
    table = Table("kind", "name", "what it is", "paper", "options", title="Parts of a study")
    for which in _kinds(kind):
        for name in sorted(parts.locate(which)):
            part = parts.find(which, name)
            paper = parts.paper(part)
            options = ", ".join(parts.options(part))
            table.add_row(which, name, parts.summary(part), paper, options)
        table.add_section()
    return table


def one_part(kind: str, name: str) -> Table:
    """Return the options of one part with their types and defaults."""
    _kinds(kind)
    part = parts.find(kind, name)
    title = f"{kind} {name}: {parts.summary(part)}"
    table = Table("option", "type", "default", title=title)
    for option in parts.options(part).values():
        default = "required" if option.required else repr(option.default)
        table.add_row(option.name, option.type, default)
    return table


def target_table() -> Table:
    """Return which model can be exported to which target, or why not."""
    from bunchtrain.deployment.capability_cache import cached_reasons

    targets = sorted(parts.locate("export"))
    title = "Models of default options and where they can be exported to"
    table = Table("model", *targets, title=title, show_lines=True)
    models = sorted(parts.locate("model"))
    for model, found in cached_reasons(models, targets, _report_check):
        reasons = (found[target] for target in targets)
        table.add_row(model, *(f"no: {reason}" if reason else "yes" for reason in reasons))
    return table


def _report_check(model: str) -> None:
    from bunchtrain.workflow.progress import say  # it takes seconds, as PyTorch does

    say(f"checked {model}")


def study_table() -> Table:
    """Return the studies that can be run by name."""
    from bunchtrain.study.loading import known, read

    table = Table("study", "title", "sizes", title="Studies")
    for name, path in sorted(known().items()):
        content = read(path)
        table.add_row(name, str(content.get("title", "")), ", ".join(content.get("sizes") or {}))
    return table


def sample_table() -> Table:
    """Return the published samples that can be fetched."""
    from bunchtrain.tables.published.samples import SAMPLES

    table = Table("sample", "what it is", "DOI", "licence", title="Published samples")
    for name, sample in sorted(SAMPLES.items()):
        table.add_row(name, sample.title, sample.doi, sample.licence)
    return table
