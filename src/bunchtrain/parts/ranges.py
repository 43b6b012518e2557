"""Ranges of options: types for the signatures of parts and the keys of a study.

Each is a number with its bounds, or a list of such numbers. The bounds appear in the JSON schema,
in the documentation and in messages. Upper bounds are far beyond reasonable use, and small enough
that one option cannot exhaust memory or overflow; `nan` and infinities are in no range.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError


def _not_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "must be a number")
    return value


def _distinct(values: tuple[float, ...]) -> tuple[float, ...]:
    if repeated := [one for one, count in Counter(values).items() if count > 1]:
        raise ValueError(f"{repeated[0]:g} is listed twice; give different numbers")
    return values


def _rising(edges: tuple[float, ...]) -> tuple[float, ...]:
    for low, high in pairwise(edges):
        if low >= high:
            raise ValueError(f"edges must increase, and {high:g} follows {low:g}")
    return edges


_Float = Annotated[float, Field(allow_inf_nan=False)]
#: `true` is not the number 1.
NUMBER = BeforeValidator(_not_boolean)

#: Seed of random numbers, as numpy and torch take it.
Seed = Annotated[int, Field(ge=0, le=2**32 - 1), NUMBER]
#: Number of events, rows or bytes.
Events = Annotated[int, Field(ge=1, le=10**12), NUMBER]
#: Number of events to simulate or to sample.
Sampled = Annotated[int, Field(ge=1, le=10**9), NUMBER]
#: Number of epochs, iterations or steps.
Steps = Annotated[int, Field(ge=1, le=10**6), NUMBER]
#: Number of epochs, iterations or steps, or none.
StepsOrZero = Annotated[int, Field(ge=0, le=10**6), NUMBER]
#: Number of worker processes or threads.
WorkerCount = Annotated[int, Field(ge=1, le=4096), NUMBER]
#: Number of independent trainings, or of folds.
Repeats = Annotated[int, Field(ge=1, le=10_000), NUMBER]
#: Number of draws from a posterior, or of networks in it.
Draws = Annotated[int, Field(ge=2, le=10_000), NUMBER]
#: Number of points of an event.
PointCount = Annotated[int, Field(ge=1, le=100_000), NUMBER]
#: Pixels of one side of an image.
Pixels = Annotated[int, Field(ge=1, le=1024), NUMBER]
#: Number of bins of one axis.
Bins = Annotated[int, Field(ge=1, le=10_000), NUMBER]
#: Units of a layer, channels, or the length of a vector in a network.
Width = Annotated[int, Field(ge=1, le=65_536), NUMBER]
#: Widths of successive layers.
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
#: Widths of hidden layers, of which there may be none.
HiddenWidths = Annotated[tuple[Width, ...], Field(max_length=100)]
#: Widths of the layers of successive blocks.
BlockWidths = Annotated[tuple[Widths, ...], Field(min_length=1, max_length=100)]
#: The same, or none.
OptionalBlockWidths = Annotated[tuple[Widths, ...], Field(max_length=100)]
#: Number of layers, blocks, heads or repetitions in a network.
Depth = Annotated[int, Field(ge=1, le=100), NUMBER]
#: Depth of a decision tree.
TreeDepth = Annotated[int, Field(ge=1, le=30), NUMBER]
#: Number of trees.
Trees = Annotated[int, Field(ge=1, le=100_000), NUMBER]
#: Bits of a fixed-point number.
Bits = Annotated[int, Field(ge=1, le=32), NUMBER]
#: Bits before the binary point.
IntegerBits = Annotated[int, Field(ge=0, le=32), NUMBER]
#: Side of the kernel of a convolution in pixels.
Kernel = Annotated[int, Field(ge=1, le=64), NUMBER]
#: Whole number of a column, of 64 bits with or without sign.
Whole = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]

#: Probability with which a unit is left out.
Dropout = Annotated[_Float, Field(ge=0, lt=1), NUMBER]
#: Fraction that may be 0 or 1.
UnitFraction = Annotated[_Float, Field(ge=0, le=1), NUMBER]
#: Fraction that is neither 0 nor 1, e.g. an efficiency.
InnerFraction = Annotated[_Float, Field(gt=0, lt=1), NUMBER]
#: Fraction above 0, e.g. of events or features.
Share = Annotated[_Float, Field(gt=0, le=1), NUMBER]
#: Number above 0.
Positive = Annotated[_Float, Field(gt=0, le=1e12), NUMBER]
#: Number that is not negative.
NonNegative = Annotated[_Float, Field(ge=0, le=1e12), NUMBER]
#: Any finite number.
Finite = Annotated[_Float, Field(ge=-1e300, le=1e300), NUMBER]
#: Learning rate of an optimiser.
LearningRate = Annotated[_Float, Field(gt=0, le=1000), NUMBER]
#: Momentum, mass or energy in GeV.
Momentum = Annotated[_Float, Field(ge=0, le=1e6), NUMBER]
#: Radius of a jet or width of an image, in pseudorapidity and rad.
Radius = Annotated[_Float, Field(gt=0, le=20), NUMBER]
#: Fractions of events, e.g. efficiencies of working points.
InnerFractions = Annotated[
    tuple[InnerFraction, ...], AfterValidator(_distinct), Field(min_length=1, max_length=100)
]
#: Edges of bins.
Edges = Annotated[
    tuple[Finite, ...], AfterValidator(_rising), Field(min_length=2, max_length=10_001)
]
