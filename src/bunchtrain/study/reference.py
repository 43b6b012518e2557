"""The study as a JSON schema, parts and their options included."""

from __future__ import annotations

from typing import Any

from bunchtrain import parts
from bunchtrain.study.base import LISTS
from bunchtrain.study.schema import Study


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a study, for editors and other programs."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    term = definitions["Term"]["properties"]
    evaluation = definitions["EvaluationPart"]["properties"]
    for kind in parts.KINDS:
        extra = {key: term[key] for key in ("target", "weight")} if kind == "loss" else {}
        extra |= {"of": evaluation["of"]} if kind == "evaluation" else {}
        choices = [_choice(kind, name, extra) for name in sorted(parts.locate(kind))]
        for choice in choices:
            definitions |= choice.get("anyOf", [choice])[-1].pop("$defs", {})
        file = {"type": "string", "pattern": r"\.py:\w+$", "description": "A class in a file."}
        own = {"required": ["name"], "properties": {"name": file}}
        definitions[kind] = {"oneOf": [*choices, file, {"type": "object", **own}]}
    named = {"type": "object", "additionalProperties": {"$ref": "#/$defs/systematic"}}
    schema["properties"]["systematics"] |= named
    for name, holder in {"": schema, **definitions}.items():
        if name == "StageConfig":  # its parts have keys of their own
            continue
        _refer_to_parts(holder.get("properties", {}))
    return schema


def _choice(kind: str, name: str, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a part: its name with options, or alone if none is required."""
    part = parts.find(kind, name)
    options = parts.option_model(part).model_json_schema()
    properties = options.get("properties", {})
    for option, text in parts.option_docs(part).items():
        properties[option] |= {"description": text} if text else {}
    options["properties"] = {"name": {"const": name}} | properties | extra
    options["required"] = ["name", *options.get("required", [])]
    options["description"] = parts.describe(kind, name).summary
    if len(options["required"]) == 1:
        return {"anyOf": [{"const": name}, options]}
    return options


def _refer_to_parts(properties: dict[str, Any]) -> None:
    """Replace the schemas of keys that hold parts by references to the parts of their kind."""
    for key, value in properties.items():
        if key not in parts.KINDS or not {"$ref", "anyOf", "items"} & set(value):
            continue
        reference: dict[str, Any] = {"$ref": f"#/$defs/{key}"}
        if key in LISTS:
            reference = {"anyOf": [reference, {"type": "array", "items": reference}]}
        kept = {k: v for k, v in value.items() if k in ("description", "default")}
        value.clear()
        value.update(reference | kept)
