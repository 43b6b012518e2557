"""One export from refusal to proof: the files, `parity.json` and a page that tells of both."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak

from bunchtrain import parts
from bunchtrain.deployment.parity import Agreement, Parity
from bunchtrain.deployment.target import Target
from bunchtrain.errors import ExportError, MachineError
from bunchtrain.files import write_json, write_text
from bunchtrain.trained_model import TrainedModel


def make_target(
    name: str, options: Mapping[str, Any] | None = None, provenance: Mapping[str, str] | None = None
) -> Target:
    """Return an export target by its name; StudyError names the nearest if there is none."""
    made: Target = parts.build("export", name, options or {})
    made.provenance = provenance or {}
    return made


def refuse(trained_model: TrainedModel, target: Target, name: str) -> None:
    """Raise ExportError, naming model or layer, if the target cannot take this network.

    `name` is that of the target. The network need not be trained.
    """
    reason = target.refusal(trained_model)
    if reason is not None:
        raise ExportError(
            f"model '{trained_model.task.model[0]}' cannot be exported to '{name}': {reason}; "
            "`bunchtrain parts --targets` shows what goes where"
        )


def export(
    trained_model: TrainedModel, target: Target, name: str, events: ak.Array, folder: str | Path
) -> Parity:
    """Export a trained network, run the export on the events and write down how they compare.

    Writes the files of the target, `parity.json` and `parity.md` into `folder`. Raises ExportError
    if the target refuses the network, or if there is no event to prove it on, and ParityError if
    the numbers are not those of the network; the files stay, so that they can be looked at.
    """
    folder = Path(folder)
    refuse(trained_model, target, name)
    if not len(events):
        raise ExportError(f"the export to '{name}' cannot be proved without events; give some")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise MachineError(f"'{folder}' cannot be made: {problem.strerror}") from None
    parity = target.export(trained_model, events, folder)
    content = {"target": name, "model": trained_model.task.model[0], **parity.plain()}
    write_json(folder / "parity.json", {**content, "provenance": target.provenance})
    write_text(folder / "parity.md", "\n".join(_page(trained_model, target, name, parity)) + "\n")
    parity.check(name)
    return parity


def _page(trained_model: TrainedModel, target: Target, name: str, parity: Parity) -> Iterator[str]:
    yield f"# `{trained_model.task.model[0]}` exported to `{name}`\n"
    yield "| compared | events | largest difference | allowed | decisions flipped | holds |"
    yield "|---|---|---|---|---|---|"
    yield from map(_row, parity.agreements)
    for title, content in (("Figures", parity.figures), ("Tools", parity.tools)):
        if content:
            yield f"\n## {title}\n\n| name | value |\n|---|---|"
            yield from (f"| {key} | {value} |" for key, value in content.items())
    yield "\n## Files\n"
    yield from (f"* `{file}`" for file in parity.files)
    if target.provenance:
        yield "\n" + ", ".join(f"{key}: {value}" for key, value in target.provenance.items())


def _row(one: Agreement) -> str:
    allowed = "" if one.tolerance is None else f"{one.tolerance:g}"
    holds = "yes" if one.holds else "**no**"
    cells = (one.what, one.events, f"{one.difference:.3g}", allowed, one.flipped, holds)
    return f"| {' | '.join(map(str, cells))} |"
