"""Tables of event-level features, for trees and dense networks."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Annotated, Literal

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.batch import Array
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.physics.packed import Floats
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.tables.expressions.expression import Expression, require_numbers


class Conditional(Representation):
    """One tensor of events, and `condition` of expressions over the events.

    condition  expressions that a density or a generator is conditional on.
    """

    condition: list[Expression]

    def set_condition(self, condition: list[str] | None, tensor: str = "table") -> None:
        """Set the expressions of the condition, of which there may be none, beside a tensor."""
        self.condition = [Expression(text) for text in condition or []]
        self.normalised = (tensor, "condition") if condition else (tensor,)

    @property
    def condition_names(self) -> dict[str, list[str]]:
        """Return `condition` → its expressions, nothing without one."""
        return {"condition": [e.text for e in self.condition]} if self.condition else {}

    def with_condition(self, tensor: str, values: Floats, events: ak.Array) -> dict[str, Array]:
        """Return the tensor, and `condition` (batch, condition) if there is one."""
        tensors: dict[str, Array] = {tensor: values}
        if self.condition:
            tensors["condition"] = self.encode_condition(events)
        return tensors

    def columns_of_condition(self, available: Collection[str]) -> list[str]:
        """Return the columns that the tensor `condition` is made of, none without one."""
        return columns_of(self.condition, available)

    def encode_condition(self, events: ak.Array) -> Array:
        """Return the tensor `condition` (batch, condition) of events."""
        return evaluate_table(self.condition, events)

    def decode_condition(self, tensors: Mapping[str, Array]) -> dict[str, Array]:
        """Return the columns of the conditions, if they are given."""
        given = self.condition_names if "condition" in tensors else {}
        names = given.get("condition", [])
        return {name: tensors["condition"][:, k] for k, name in enumerate(names)}


class ConditionalTable(Conditional):
    """A tensor `table` of named columns, and perhaps `condition`."""

    @property
    @abstractmethod
    def table_names(self) -> list[str]:
        """Return the names of the columns of `table`."""

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of columns, and of the conditions."""
        return {name: len(columns) for name, columns in self.names.items()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the names of the columns, and the expressions of the condition."""
        return {"table": self.table_names} | self.condition_names

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the columns of `table`, and the conditions if they are given."""
        columns = {name: tensors["table"][:, k] for k, name in enumerate(self.table_names)}
        return ak.Array(columns | self.decode_condition(tensors))


class Table(ConditionalTable):
    """One row of features per event, each an expression over its columns.

    features   expressions; generated events have columns of these names.
    condition  expressions that a density or a generator is conditional on.
    """

    def __init__(
        self,
        *,
        features: Annotated[list[str], Field(max_length=5000)],
        condition: list[str] | None = None,
        normalise: Literal["standard", "robust", "none"] = "standard",
    ) -> None:
        if not features:
            raise StudyError("a table needs at least one of 'features'")
        self.features, self.normalise = [Expression(text) for text in features], normalise
        self.set_condition(condition)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that the expressions read."""
        return columns_of([*self.features, *self.condition], available)

    @property
    def table_names(self) -> list[str]:
        """Return the expressions."""
        return [each.text for each in self.features]

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `table` (batch, feature), and `condition` (batch, condition) if there is one."""
        return self.with_condition("table", evaluate_table(self.features, events), events)


def columns_of(expressions: Iterable[Expression], available: Collection[str]) -> list[str]:
    """Return the columns that expressions over events read.

    Raises DataError, naming the nearest, if one is missing.
    """
    found: dict[str, None] = {}
    for expression in expressions:
        for name in sorted(expression.columns):
            if name not in available:
                raise DataError(
                    f"the data have no column '{name}', which '{expression.text}' reads"
                    f"{nearest(name, available)}"
                )
            found[name] = None
    return list(found)


def evaluate_table(expressions: Iterable[Expression], events: ak.Array) -> Floats:
    """Return the values of expressions over events: (events, expressions) float32.

    Raises DataError if one gives a list per event.
    """
    return np.stack([_evaluate_scalar(expression, events) for expression in expressions], axis=1)


def _evaluate_scalar(expression: Expression, events: ak.Array) -> Floats:
    values = expression(events)
    require_numbers(values, expression.text)
    if values.ndim != 1:
        raise DataError(
            f"'{expression.text}' gives a list per event where one value is needed; reduce it, as "
            f"in 'sum({expression.text})'"
        )
    return np.asarray(ak.to_numpy(values), dtype=np.float32)
