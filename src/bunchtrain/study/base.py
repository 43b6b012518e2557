"""What all keys of a study are made of: mappings with known keys, parts, expressions, sizes."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    model_validator,
)

from bunchtrain import parts
from bunchtrain.errors import nearest, one_of, shorten
from bunchtrain.parts.ranges import Positive

#: Keys of which a study lists several parts.
LISTS = ("loss", "calibration", "evaluation", "export")
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def parse_bytes(value: object) -> object:
    """Return a number of bytes from `2000000` or `2 GB`."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([KMGT]?B)\s*", str(value), re.IGNORECASE)
    if isinstance(value, str) and found:
        return int(float(found[1]) * _UNITS[found[2].upper()])
    return value


Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=1, le=10**15)]
Expression = Annotated[
    str,
    Field(min_length=1, max_length=10_000),
    BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v),
]


class Strict(BaseModel):
    """A mapping whose unknown keys are errors that name the nearest key."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, serialize_by_alias=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, value: object) -> object:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        for key in value if isinstance(value, dict) else ():
            if key not in keys:
                hint = nearest(str(key), keys) or f"; the keys are {one_of(keys)}"
                raise ValueError(f"unknown key '{shorten(key, plain=True)}'{hint}")
        return value


class Part(BaseModel):
    """A part by its name, with its options; a bare name is a part without options."""

    model_config = ConfigDict(extra="allow")
    name: str = Field(
        description="Name of the part; `bunchtrain parts` lists them. A class in a file is named "
        "`./my_file.py:MyClass`, relative to the study file."
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _full_path(self, info: ValidationInfo) -> Part:
        self.name = parts.absolute_name(self.name, (info.context or {}).get("folder"))
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The options of the part, as the study gives them."""
        return dict(self.model_extra or {})


class Term(Part):
    """A term of the loss: a part, its target and its weight."""

    target: str | None = Field(
        None, description="Target of the term; may be left out if there is only one."
    )
    weight: Positive = Field(1.0, description="Factor on this term in the sum.")


def as_list(value: object) -> object:
    """Return a text as a list of it, for keys that take one or several; else the value."""
    return [value] if isinstance(value, str) else value


class EvaluationPart(Part):
    """An evaluation with its options, of the study's predictions or of those of a stage."""

    of: str | None = Field(
        None,
        description="Stage of the key `stages` whose predictions or table are evaluated; the "
        "predictions of the study's own models if unset.",
    )

    @model_validator(mode="after")
    def _of_stage(self) -> EvaluationPart:
        for name in ("rollout", "null", "repeat"):
            if self.of is None and isinstance(self.options.get(name), str):
                self.of = self.options[name]
        return self


def wrap_single(value: object) -> object:
    """Put a single part, where several may be given, into a list."""
    if not isinstance(value, dict):
        return value
    single = {k: value.get(k) for k in LISTS}
    return value | {k: [one] for k, one in single.items() if isinstance(one, str | dict)}
