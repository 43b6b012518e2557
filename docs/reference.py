"""Write the study, parts and command references from the code, so that they cannot disagree."""

from __future__ import annotations

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

from bunchtrain import parts
from bunchtrain.cli.main import app
from bunchtrain.study import schema

FOLDER = Path(__file__).parent / "reference"
NOTICE = "Written from the code by `docs/reference.py`."
#: Where a mapping of a study stands → the model of its keys.
SECTIONS: dict[str, type[BaseModel]] = {
    "The study": schema.Study,
    "targets.NAME": schema.Target,
    "weights": schema.Weights,
    "weights.reweight": schema.Reweight,
    "objective": schema.Term,
    "training": schema.Training,
    "members.NAME": schema.MemberOverrides,
    "members.NAME.published": schema.Published,
    "ensembles.NAME": schema.Ensemble,
    "evaluation": schema.Evaluation,
    "evaluation.decorrelation": schema.Decorrelation,
    "storage": schema.Storage,
}
PLACES = {model.__name__: place for place, model in SECTIONS.items()}
HEADINGS = {
    "source": "Sources (`source`)",
    "split": "Splits (`split`)",
    "represent": "Representations (`represent`)",
    "model": "Models (`model`)",
    "objective": "Objectives (`objective`)",
    "engine": "Engines (`training.engine`)",
    "posterior": "Posteriors (`posterior`)",
    "calibrate": "Calibrations (`calibrate`)",
    "systematic": "Systematic effects (`systematics`)",
    "export": "Export targets (`export`)",
}
#: Key of a study → the kind of its parts, where it has another name.
KINDS = {"systematics": "systematic"}
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "mapping",
    "array": "list",
}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}

#: What an option means that many parts have, where a part does not say it itself.
COMMON = {
    "source": {
        "files": "path, glob or address, or a list of them.",
        "tree": "tree, data set or key in the file, where there are several.",
        "key": "key of the table in the file.",
        "format": "`root`, `hdf5`, `parquet`, `csv` or `npz`, where the name does not say it.",
        "names": "names of the columns.",
        "header": "whether the first line holds names; found out if unset.",
        "add": "new column → pattern of file names → value.",
        "fill": "column → its value in files that lack it.",
        "minimum_pt": "constituents below are left out, in GeV.",
    },
    "split": {
        "key": "column or columns that tell events apart.",
        "column": "the column that says it.",
        "folds": "number of folds.",
        "fold": "the fold that is tested.",
        "modulo": "the divisor n.",
        "train": "share or values of the training set.",
        "validation": "share, values or remainders of the validation set.",
        "test": "share, values or remainders of the test set.",
    },
    "represent": {
        "group": "prefix of the columns of the points.",
        "features": "expressions that become the inputs.",
        "max_points": "where a jet has more, those of highest `order` are kept.",
        "order": "expression by which the points fall.",
        "n": "number of points.",
        "k": "nearest neighbours.",
        "jet": "prefix of the columns of the jet; the sum of all points if unset.",
        "where": "condition that a point must fulfil.",
        "globals": "expressions over events, for the tensor `globals`.",
        "normalise": "`standard`: mean and deviation; `robust`: median and quartiles.",
    },
    "model": {
        "widths": "widths of the dense layers.",
        "phi": "widths of Φ.",
        "f": "widths of F.",
        "activation": "function between the layers.",
        "dropout": "share of the units dropped in training.",
        "batch_norm": "whether each layer is followed by batch normalisation.",
        "kernel": "side of the convolutions, in pixels.",
        "cell": "LSTM or GRU.",
    },
}

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
    bounds = [f"{sign} {value[bound]:g}" for bound, sign in BOUNDS.items() if bound in value]
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


def paragraphs(text: str) -> list[str]:
    return [block for block in re.split(r"\n\s*\n", inspect.cleandoc(text)) if block.strip()]


def told(block: str) -> dict[str, str]:
    """Return option → meaning of `name  meaning` lines or of an `Args:` section, else {}."""
    pattern = r"^(\w+(?:, \w+)*) {2,}(\S.*)$"
    if block.startswith("Args:"):
        block, pattern = inspect.cleandoc(block.removeprefix("Args:")), r"^(\w+): (.*)$"
    meanings: dict[str, str] = {}
    names: list[str] = []
    for line in block.splitlines():
        if start := re.match(pattern, line):
            names = start[1].split(", ")
            meanings |= dict.fromkeys(names, start[2])
        elif names and line.startswith(" "):
            meanings |= {name: f"{meanings[name]} {line.strip()}" for name in names}
        else:
            return {}
    return meanings


def documentation(part: type[Any]) -> tuple[list[str], dict[str, str]]:
    """Return the prose of a part and the meanings of its options, those of its parents included."""
    prose: list[str] = []
    meanings: dict[str, str] = {}
    for block in paragraphs(part.__doc__ or ""):
        meanings |= (found := told(block))
        if not found and not block.startswith("Raises"):
            prose.append(block)
    for parent in part.__mro__[1:]:
        for block in paragraphs(parent.__doc__ or "") if "bunchtrain" in parent.__module__ else ():
            meanings = told(block) | meanings
    module = sys.modules[part.__module__]
    return prose + paragraphs(module.__doc__ or "")[1:], meanings


def option_rows(kind: str, part: type[Any], said: Mapping[str, str]) -> list[tuple[str, ...]]:
    meanings = {**COMMON.get(kind, {}), **said}
    found = parts.option_model(part).model_json_schema()
    return [
        (
            f"`{name}`",
            type_of(value),
            default_of(value, name in found.get("required", [])),
            linked(meanings.get(name, "")),
        )
        for name, value in found.get("properties", {}).items()
    ]


def part(kind: str, name: str) -> Iterator[str]:
    found = parts.find(kind, name)
    prose, meanings = documentation(found)
    number = parts.paper(found)
    if number and not any(f"arXiv:{number}" in block for block in prose):
        prose.append(f"arXiv:{number}")
    yield from (f"### `{name}`", "")
    for block in prose:
        yield from (linked(block), "")
    yield from table(["option", "value", "default", "meaning"], option_rows(kind, found, meanings))


def commands() -> Iterator[str]:
    for name, sub in get_command(app).commands.items():  # type: ignore[attr-defined]
        hints = typing.get_type_hints(inspect.unwrap(sub.callback))
        arguments = [p for p in sub.params if p.param_type_name == "argument"]
        words = [spelling(p) if p.required else f"[{spelling(p)}]" for p in arguments]
        words = [word.replace("[[", "[").replace("]...]", "]...") for word in words]
        usage = " ".join(["bunchtrain", name, *words])
        yield from (f"## `{name}`", "", sub.help or "", "", "```", usage, "```", "")
        rows = [
            (f"`{spelling(p)}`", default_of_argument(p), choices(hints[p.name]) + (p.help or ""))
            for p in sub.params
            if p.name != "help"
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
    for kind in parts.PACKAGES:
        yield from (f"## {HEADINGS[kind]}", "")
        for name in sorted(parts.locate(kind)):
            yield from part(kind, name)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    sections = (line for place, model in SECTIONS.items() for line in keys(place, model))
    write("study.md", "Keys of a study", sections)
    write("parts.md", "Parts", all_parts())
    write("command.md", "The command", commands())


if __name__ == "__main__":
    main()
