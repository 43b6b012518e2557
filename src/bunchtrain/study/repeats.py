"""Schema of a stage of kind `repeat`, and its repetitions: index, toy, seed and varied values."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from bunchtrain.parts.ranges import Finite, Repeats, StepsOrZero
from bunchtrain.study.base import Strict, as_list

Over = Literal["toys", "folds", "seeds", "scan", "signals"]
#: Most repetitions of a stage, over all combinations of values.
_MOST = 100_000


class RepeatStage(Strict):
    """Other stages, repeated: a table with a row of metrics for each repetition.

    Repetition i has random numbers of its own, the same whatever the number of repetitions.
    """

    run: Annotated[list[str], BeforeValidator(as_list), Field(min_length=1, max_length=100)] = (
        Field(
            description="Stages that are repeated: of the key `stages`, or `prepare`, `train.pfn` "
            "and `predict.pfn` of the key `models`. The evaluations of their predictions give the "
            "columns of the table, `<model>.<metric>`."
        )
    )
    over: Over = Field(
        "toys",
        description="What differs between repetitions: all seeds (toys), the seed of trainings "
        "(seeds), the test set of a k-fold split (folds), values of options (scan), or both values "
        "and all seeds (signals).",
    )
    times: Repeats | None = Field(
        None, description="Number of toys or seeds, for signals of each value; of folds all."
    )
    first: StepsOrZero = Field(
        0, description="Number of the first toy or seed; other toys than those of another stage."
    )
    together: Repeats = Field(
        25,
        description="Repetitions that are made together, trained in one batch where the network "
        "allows: a piece that a job of the executor makes, and that is kept when it is finished. "
        "Another number changes results by rounding; folds are made one by one.",
    )
    scan: dict[str, Annotated[list[Finite], Field(min_length=1, max_length=10_000)]] = Field(
        {},
        description="Options that are varied, for scan and signals: key below `stages` → values, "
        "e.g. {data.transform.number: [0, 50, 100]}; several keys give all combinations, "
        "at most 100,000 repetitions.",
    )

    @model_validator(mode="after")
    def _fits(self) -> RepeatStage:
        varies = self.over in ("scan", "signals")
        if varies and not self.scan:
            raise ValueError(f"'over: {self.over}' needs 'scan', a key with its values")
        if self.scan and not varies:
            raise ValueError(f"'scan' belongs to 'over: scan' or 'signals', not '{self.over}'")
        if self.over in ("toys", "seeds", "signals") and self.times is None:
            raise ValueError(f"'over: {self.over}' needs 'times', the number of repetitions")
        if self.over in ("folds", "scan") and (self.times is not None or self.first):
            raise ValueError(f"'over: {self.over}' sets the number; leave out 'times', 'first'")
        number = math.prod(map(len, self.scan.values())) * (self.times or 1)
        if number > _MOST:
            raise ValueError(
                f"scan: all combinations are {number:,} repetitions, of at most {_MOST:,}; list "
                "fewer values"
            )
        return self


@dataclass(frozen=True)
class Repetition:
    """One repetition.

    index   among all of the stage.
    toy     number of the toy, seed or fold; random numbers depend on it alone.
    values  varied key → value.
    """

    index: int
    toy: int
    values: Mapping[str, float]


def repetitions(given: RepeatStage, folds: int = 0) -> list[Repetition]:
    """Return the repetitions of a stage, of which that of an index never changes.

    folds  number of folds, for a repetition over them.
    """
    count = folds if given.over == "folds" else given.times or 1
    toys = range(given.first, given.first + count)
    grid = [
        dict(zip(given.scan, one, strict=True)) for one in itertools.product(*given.scan.values())
    ]
    return [
        Repetition(index, toy, values)
        for index, (values, toy) in enumerate(itertools.product(grid, toys))
    ]


def set_option(plain: Mapping[str, Any], path: Sequence[str], value: object) -> dict[str, Any]:
    """Return nested options with one of them replaced, or added."""
    first, rest = path[0], path[1:]
    old = plain.get(first)
    new = set_option(old if isinstance(old, Mapping) else {}, rest, value) if rest else value
    return {**plain, first: new}
