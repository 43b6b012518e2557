"""Every number in a study has a range: options of all parts, and keys of the study itself."""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.parts.options import _arguments, bounds
from bunchtrain.study import base, data_keys, json_schema, model_keys, schema, stages

PARTS = [(kind, name) for kind in parts.KINDS for name in sorted(parts.locate(kind))]
MODELS = [
    *(
        schema.Study,
        model_keys.Training,
        data_keys.Weights,
        data_keys.Reweight,
        model_keys.Ensemble,
    ),
    *(schema.Storage, model_keys.ModelOverrides, data_keys.TargetConfig, base.Term),
    *(stages.StageConfig, stages.PrepareStage, stages.TrainStage, stages.PredictStage),
    *(stages.GenerateStage, stages.TransformStage, stages.RolloutStage, stages.ExportStage),
]


def unbounded(hint: Any, limits: Mapping[str, float] | None = None) -> Iterator[str]:
    """Yield the numbers in a type that lack a lower or an upper bound."""
    limits = limits or {}
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        yield from unbounded(inner[0], {**limits, **bounds(hint)})
    elif hint in (int, float):
        if not {"ge", "gt"} & set(limits) or not {"le", "lt"} & set(limits):
            yield f"{hint.__name__} {dict(limits)}"
    elif origin is not Literal:
        kept = limits if origin in (typing.Union, types.UnionType) else {}
        for one in inner:
            yield from unbounded(one, kept)
    if hasattr(hint, "__dataclass_fields__"):
        for one in typing.get_type_hints(hint, include_extras=True).values():
            yield from unbounded(one)


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_every_number_of_a_part_has_a_range(kind, name):
    part = parts.find(kind, name)
    lacking = {
        option: found
        for option, argument in _arguments(part).items()
        if (found := list(unbounded(argument.hint)))
    }
    assert not lacking, "declare the range with a type of bunchtrain.parts.ranges"


@pytest.mark.parametrize("model", MODELS)
def test_every_number_of_the_study_has_a_range(model: type[BaseModel]):
    hints = typing.get_type_hints(model, include_extras=True)
    lacking = {
        key: found
        for key, field in model.model_fields.items()
        if (found := list(unbounded(Annotated[hints[key], field])))
    }
    assert not lacking


def test_the_check_finds_numbers_without_a_range():
    assert list(unbounded(int)) == ["int {}"]
    assert list(unbounded(dict[str, Sequence[float] | None])) == ["float {}"]
    assert list(unbounded(Annotated[int, Field(ge=1)])) == ["int {'ge': 1}"]
    assert not list(unbounded(Annotated[int, Field(ge=1, le=2)] | None | Literal[3]))


@pytest.mark.parametrize(("kind", "name"), PARTS)
def test_the_defaults_of_a_part_are_in_range(kind, name):
    found = parts.options(parts.find(kind, name)).values()
    defaults = {one.name: one.default for one in found if not one.required}
    if any(one.required for one in found):
        model = parts.option_model(parts.find(kind, name))
        for option, value in defaults.items():
            if value is not None:
                model.__pydantic_validator__.validate_assignment(
                    model.model_construct(), option, value
                )
    else:
        parts.validate(kind, name, defaults, kind)


def test_ranges_are_in_the_schema_the_table_of_options_and_the_message():
    widths = next(
        choice["properties"]["widths"]
        for entry in json_schema()["$defs"]["model"]["oneOf"]
        for choice in entry.get("anyOf", [entry])
        if choice.get("properties", {}).get("name") == {"const": "dense_network"}
    )
    assert widths["items"]["minimum"] == 1
    assert widths["items"]["maximum"] == 65_536
    shown = parts.options(parts.find("model", "dense_network"))
    assert shown["widths"].type == "tuple[int from 1 to 65,536, ...]"
    assert shown["dropout"].type == "float from 0 to below 1"
    for value, text in (
        (1, "model.dropout: must be below 1, got 1"),
        (float("nan"), "model.dropout: must be a finite number, got nan"),
        ("high", "model.dropout: must be a number, got 'high'"),
        (True, "model.dropout: must be a number, got true"),
    ):
        with pytest.raises(StudyError) as caught:
            parts.validate("model", "dense_network", {"dropout": value}, "model")
        assert str(caught.value) == text


def test_a_list_may_be_given_as_its_single_item():
    checked = parts.validate("model", "dense_network", {"widths": 64}, "model")
    assert checked["widths"] == (64,)
    checked = parts.validate("evaluation", "regression", {"against": "jet_pt"}, "evaluation")
    assert checked["against"] == ("jet_pt",)
