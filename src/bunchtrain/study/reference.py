"""The study as a JSON schema, parts and their options included."""

from __future__ import annotations

from typing import Any

from bunchtrain import parts
from bunchtrain.study.schema import Study


def json_schema() -> dict[str, Any]:
    """Return the JSON schema of a study, for editors and other programs."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    common = definitions["Term"]["properties"]
    for kind in parts.PACKAGES:
        extra = {k: common[k] for k in ("target", "weight")} if kind == "loss" else {}
        definitions[kind] = {"oneOf": [_choice(kind, n, extra) for n in sorted(parts.locate(kind))]}
    for holder in (schema, *definitions.values()):
        _refer(holder)
    return schema


def _choice(kind: str, name: str, extra: dict[str, Any]) -> dict[str, Any]:
    part = parts.find(kind, name)
    options = parts.option_model(part).model_json_schema()
    options["properties"] = {"name": {"const": name}} | options.get("properties", {}) | extra
    options["required"] = ["name", *options.get("required", [])]
    options["description"] = parts.summary(part)
    if len(options["required"]) == 1:
        return {"anyOf": [{"const": name}, options]}
    return options


def _refer(holder: dict[str, Any]) -> None:
    """Point the keys that hold a part, which are the names of the kinds, at their definition."""
    for kind in parts.PACKAGES:
        value = holder.get("properties", {}).get(kind)
        if value is None or not ({"$ref", "anyOf", "items"} & set(value)):
            continue
        reference: dict[str, Any] = {"$ref": f"#/$defs/{kind}"}
        if kind in ("loss", "calibration", "export"):
            reference = {"anyOf": [reference, {"type": "array", "items": reference}]}
        kept = {k: v for k, v in value.items() if k in ("description", "default")}
        value.clear()
        value.update(reference | kept)
