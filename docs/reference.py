"""Write the study, parts and command references from the code, so that they cannot disagree."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from typer.main import get_command

from bunchtrain import parts
from bunchtrain.cli.main import app
from bunchtrain.study import schema

FOLDER = Path(__file__).parent / "reference"
SECTIONS = [
    schema.Study,
    schema.Target,
    schema.Weights,
    schema.Reweight,
    schema.Term,
    schema.Training,
    schema.MemberOverrides,
    schema.Published,
    schema.Evaluation,
    schema.Storage,
]


def cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def keys(model: type[BaseModel]) -> str:
    lines = [f"## {model.__name__}", "", (model.__doc__ or "").strip(), ""]
    lines += ["| key | default | meaning |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        default = field.default
        if default is PydanticUndefined:
            shown = "**required**"
        elif isinstance(default, BaseModel):
            shown = f"`{default.name}`" if isinstance(default, schema.Part) else "see below"
        else:
            shown = f"`{default!r}`"
        lines.append(f"| `{name}` | {cell(shown)} | {cell(field.description)} |")
    return "\n".join([*lines, ""])


def part(kind: str, name: str) -> str:
    found = parts.find(kind, name)
    paper = parts.paper(found)
    link = f" ([arXiv:{paper}](https://arxiv.org/abs/{paper}))" if paper else ""
    lines = [f"### `{name}`", "", f"{parts.summary(found)}{link}", ""]
    options = parts.options(found)
    if options:
        lines += ["| option | type | default |", "|---|---|---|"]
    for option in options.values():
        default = "**required**" if option.required else f"`{option.default!r}`"
        lines.append(f"| `{option.name}` | `{cell(option.type)}` | {cell(default)} |")
    return "\n".join([*lines, ""])


def command() -> str:
    lines = ["# The command", "", "Written by `docs/reference.py` from the code.", ""]
    for name, sub in sorted(get_command(app).commands.items()):  # type: ignore[attr-defined]
        lines += [f"## `bunchtrain {name}`", "", sub.help or "", ""]
        lines += ["| argument | meaning |", "|---|---|"]
        for parameter in sub.params:
            spelled = (
                ", ".join(parameter.opts)
                if parameter.param_type_name == "option"
                else (parameter.metavar or parameter.name.upper())
            )
            if spelled != "--help":
                lines.append(f"| `{spelled}` | {cell(getattr(parameter, 'help', '') or '')} |")
        lines.append("")
    return "\n".join(lines)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    study = ["# Keys of a study", "", "Written by `docs/reference.py` from the code.", ""]
    (FOLDER / "study.md").write_text("\n".join([*study, *map(keys, SECTIONS)]), encoding="utf-8")
    text = ["# Parts", "", "Written by `docs/reference.py` from the code.", ""]
    for kind in parts.PACKAGES:
        text += [f"## {kind}", "", *(part(kind, name) for name in sorted(parts.locate(kind)))]
    (FOLDER / "parts.md").write_text("\n".join(text), encoding="utf-8")
    (FOLDER / "command.md").write_text(command(), encoding="utf-8")


if __name__ == "__main__":
    main()
