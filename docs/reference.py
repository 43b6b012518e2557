"""Write the references of keys, parts, commands and messages from the code that they describe."""

from __future__ import annotations

import ast
import enum
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from typer.main import get_command

import bunchtrain
from bunchtrain import errors, parts
from bunchtrain.cli.main import app
from bunchtrain.study import base, data_keys, model_keys, published, repeats, schema, stages

FOLDER = Path(__file__).parent / "reference"
NOTICE = "Written from the code by `docs/reference.py`."
#: Place of a mapping in a study → the model of its keys.
SECTIONS: dict[str, type[BaseModel]] = {
    "The study": schema.Study,
    "conditions.NAME": data_keys.Conditions,
    "windows": data_keys.Windows,
    "targets.NAME": data_keys.TargetConfig,
    "weights": data_keys.Weights,
    "weights.reweight": data_keys.Reweight,
    "loss": base.Term,
    "training": model_keys.Training,
    "models.NAME": model_keys.ModelOverrides,
    "models.NAME.published": published.Published,
    "ensembles.NAME": model_keys.Ensemble,
    "stages.NAME": stages.StageConfig,
    "stages.NAME.prepare": stages.PrepareStage,
    "stages.NAME.train": stages.TrainStage,
    "stages.NAME.predict": stages.PredictStage,
    "stages.NAME.generate": stages.GenerateStage,
    "stages.NAME.transform": stages.TransformStage,
    "stages.NAME.rollout": stages.RolloutStage,
    "stages.NAME.repeat": repeats.RepeatStage,
    "stages.NAME.export": stages.ExportStage,
    "storage": schema.Storage,
}
PLACES = {model.__name__: place for place, model in SECTIONS.items()}
HEADINGS = {
    "source": "Sources (`source`)",
    "split": "Splits (`split`)",
    "representation": "Representations (`representation`)",
    "model": "Models (`model`)",
    "method": "Methods without targets (`method`)",
    "loss": "Losses (`loss`)",
    "engine": "Engines (`training.engine`)",
    "executor": "Executors (`executor`)",
    "posterior": "Posteriors (`posterior`)",
    "calibration": "Calibrations (`calibration`)",
    "systematic": "Systematic effects (`systematics`)",
    "transform": "Transforms (`transforms`)",
    "evaluation": "Evaluations (`evaluation`)",
    "environment": "Environments (`rollout`)",
    "policy": "Policies (`rollout`)",
    "workflow": "Workflows (`stages.NAME.workflow`)",
    "export": "Export targets (`export`)",
}
#: Key of a study → the kind of its parts, where it has another name.
KINDS = {"systematics": "systematic", "transforms": "transform"}
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

#: Mark of code in a message, where it stands within code.
QUOTE = "'"

Json = Mapping[str, Any]


def cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def table(columns: list[str], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(columns)} |"
        yield f"|{'---|' * len(columns)}"
        yield from (f"| {' | '.join(map(cell, row))} |" for row in rows)
        yield ""


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\s-]", "", heading).strip().lower().replace(" ", "-")


def linked(text: str) -> str:
    """Return a text with its arXiv numbers and DOIs as links."""
    paper = r"\barXiv:([a-z-]+/\d{7}|\d{4}\.\d{4,5})"
    text = re.sub(paper, r"[arXiv:\1](https://arxiv.org/abs/\1)", text)
    return re.sub(r"\bdoi:(10\.[^\s,;)]+[^\s,;).])", r"[doi:\1](https://doi.org/\1)", text)


def type_of(value: Json) -> str:
    """Return in words what a JSON schema admits."""
    if "anyOf" in value:
        choices = [type_of(one) for one in value["anyOf"] if one.get("type") != "null"]
        if "number" in choices:
            choices = [one for one in choices if one != "whole number"]
        return " or ".join(dict.fromkeys(choices))
    if "enum" in value or "const" in value:
        return ", ".join(f"`{one}`" for one in value.get("enum", [value.get("const")]))
    if "$ref" in value:
        return _reference(value["$ref"].rpartition("/")[2])
    if "prefixItems" in value:
        return f"[{', '.join(type_of(one) for one in value['prefixItems'])}]"
    kind, inner = TYPES.get(value.get("type", ""), "anything"), value.get("items")
    if value.get("additionalProperties"):
        inner = value["additionalProperties"]
        return "mapping" if inner is True else f"name → {type_of(inner)}"
    if inner:
        return "list of " + re.sub(r"\b(number|text|list)\b", r"\1s", type_of(inner))
    bounds = [f"{sign} {value[bound]:,.10g}" for bound, sign in BOUNDS.items() if bound in value]
    return f"{kind} {', '.join(bounds)}".strip()


def _reference(name: str) -> str:
    place = PLACES.get(name)
    return f"[`{place}`](#{anchor(place)})" if place else "part"


def default_of(value: Json, required: bool) -> str:
    """Return the default of a key as a study would write it."""
    if required:
        return "**required**"
    default = value.get("default")
    if isinstance(default, dict) and default:
        return f"`{default['name']}`" if "name" in default else ""
    if default is None or default in ("", [], {}):
        return "none"
    return f"`{default if isinstance(default, str) else json.dumps(default, ensure_ascii=False)}`"


def keys(place: str, model: type[BaseModel]) -> Iterator[str]:
    found = model.model_json_schema()
    shown = place if model is schema.Study else f"`{place}`"
    yield from (f"## {shown}", "", inspect.getdoc(model) or "", "")
    rows = []
    for name, value in found["properties"].items():
        what = type_of(value)
        if "part" in what.split():
            what = f"[{name}](parts.md#{anchor(HEADINGS[KINDS.get(name, name)])})"
        default = default_of(value, name in found.get("required", []))
        rows.append((f"`{name}`", what, default, value.get("description", "")))
    yield from table(["key", "value", "default", "meaning"], rows)


def prose(part: type[Any]) -> list[str]:
    """Return the paragraphs about a part, without descriptions of options and exceptions."""
    blocks = parts.paragraphs(part.__doc__ or "")
    blocks = [b for b in blocks if not b.startswith("Raises") and not parts.descriptions(b)]
    return blocks + parts.paragraphs(sys.modules[part.__module__].__doc__ or "")[1:]


def option_rows(part: type[Any]) -> list[tuple[str, ...]]:
    meanings = parts.option_docs(part)
    found = parts.option_model(part).model_json_schema()
    return [
        (
            f"`{name}`",
            type_of(value),
            default_of(value, name in found.get("required", [])),
            linked(meanings[name]),
        )
        for name, value in found.get("properties", {}).items()
    ]


def part(kind: str, name: str) -> Iterator[str]:
    found, number = parts.find(kind, name), parts.describe(kind, name).paper
    blocks = prose(found)
    if number and not any(f"arXiv:{number}" in block for block in blocks):
        blocks.append(f"arXiv:{number}")
    yield from (f"### `{name}`", "")
    for block in blocks:
        yield from (linked(block), "")
    yield from table(["option", "value", "default", "meaning"], option_rows(found))


def commands() -> Iterator[str]:
    for name, sub in get_command(app).commands.items():  # type: ignore[attr-defined]
        if sub.hidden:
            continue
        hints = typing.get_type_hints(inspect.unwrap(sub.callback))
        arguments = [p for p in sub.params if p.param_type_name == "argument"]
        words = [spelling(p) if p.required else f"[{spelling(p)}]" for p in arguments]
        words = [word.replace("[[", "[").replace("]...]", "]...") for word in words]
        usage = " ".join(["bunchtrain", name, *words])
        yield from (f"## `{name}`", "", sub.help or "", "", "```", usage, "```", "")
        rows = [
            (f"`{spelling(p)}`", default_of_argument(p), choices(hints[p.name]) + (p.help or ""))
            for p in sub.params
            if p.name != "help" and not getattr(p, "hidden", False)
        ]
        yield from table(["argument", "default", "meaning"], rows)


def spelling(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        return ", ".join(parameter.opts)
    return str(parameter.metavar or parameter.name.upper())


def choices(hint: Any) -> str:
    """Return the values of an argument that is one of a few."""
    for kind in [hint, *typing.get_args(hint)]:
        if inspect.isclass(kind) and issubclass(kind, enum.Enum):
            return f"One of {', '.join(f'`{one.value}`' for one in kind)}: "
    return ""


def default_of_argument(parameter: Any) -> str:
    if parameter.required:
        return "**required**"
    return "none" if parameter.default in (None, "") else f"`{parameter.default}`"


def write(name: str, title: str, lines: Iterator[str]) -> None:
    text = "\n".join([f"# {title}", "", NOTICE, "", *lines])
    (FOLDER / name).write_text(text.rstrip() + "\n", encoding="utf-8")


def all_parts() -> Iterator[str]:
    for kind in parts.KINDS:
        yield from (f"## {HEADINGS[kind]}", "")
        for name in sorted(parts.locate(kind)):
            yield from part(kind, name)


def message_of(node: ast.expr) -> str:
    """Return the text of an expression, with … for each value in it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(message_of(one) for one in node.values)
    if isinstance(node, ast.BinOp):
        return message_of(node.left) + message_of(node.right)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "…"


def messages_of(path: Path) -> set[str]:
    """Return the messages of the errors that a file of the code raises."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    kinds = {name for name, one in vars(errors).items() if inspect.isclass(one)}
    made = [one for one in calls if isinstance(one.func, ast.Name) and one.func.id in kinds]
    texts = {message_of(one.args[0]) for one in made}
    return {text for text in texts if len(re.findall(r"[a-z]{2,}", text)) > 1}


def messages() -> Iterator[str]:
    """Yield the messages of each package."""
    package = Path(bunchtrain.__file__).parent
    found: dict[str, set[str]] = {}
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package).parts[0].removesuffix(".py")
        found.setdefault(place, set()).update(messages_of(path))
    yield "`…` stands for a name, a value or a cause; a message is listed under the package of its"
    yield from ("code. Causes and remedies are under [Troubleshooting](../troubleshooting.md).", "")
    for place, texts in found.items():
        if texts:
            shown = [f"* `{text.replace('`', QUOTE)}`" for text in sorted(texts)]
            yield from (f"## {place}", "", *shown, "")


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    sections = (line for place, model in SECTIONS.items() for line in keys(place, model))
    write("study.md", "Keys of a study", sections)
    write("parts.md", "Parts", all_parts())
    write("command.md", "The command", commands())
    write("messages.md", "Messages", messages())


if __name__ == "__main__":
    main()
