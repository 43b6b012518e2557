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


_Int = Annotated[int, BeforeValidator(_not_boolean)]
_Float = Annotated[float, BeforeValidator(_not_boolean), Field(allow_inf_nan=False)]

#: Seed of random numbers, as numpy and torch take it.
Seed = Annotated[_Int, Field(ge=0, le=2**32 - 1)]
#: Number of events, rows or bytes.
Events = Annotated[_Int, Field(ge=1, le=10**12)]
#: Number of events to simulate or to sample.
Sampled = Annotated[_Int, Field(ge=1, le=10**9)]
#: Number of epochs, iterations or steps.
Steps = Annotated[_Int, Field(ge=1, le=10**6)]
#: Number of epochs, iterations or steps, or none.
StepsOrZero = Annotated[_Int, Field(ge=0, le=10**6)]
#: Number of worker processes or threads.
WorkerCount = Annotated[_Int, Field(ge=1, le=4096)]
#: Number of independent trainings, or of folds.
Repeats = Annotated[_Int, Field(ge=1, le=10_000)]
#: Number of draws from a posterior, or of networks in it.
Draws = Annotated[_Int, Field(ge=2, le=10_000)]
#: Number of points of an event.
PointCount = Annotated[_Int, Field(ge=1, le=100_000)]
#: Pixels of one side of an image.
Pixels = Annotated[_Int, Field(ge=1, le=1024)]
#: Number of bins of one axis.
Bins = Annotated[_Int, Field(ge=1, le=10_000)]
#: Units of a layer, channels, or the length of a vector in a network.
Width = Annotated[_Int, Field(ge=1, le=65_536)]
#: Widths of successive layers.
Widths = Annotated[tuple[Width, ...], Field(min_length=1, max_length=100)]
#: Widths of hidden layers, of which there may be none.
HiddenWidths = Annotated[tuple[Width, ...], Field(max_length=100)]
#: Widths of the layers of successive blocks.
BlockWidths = Annotated[tuple[Widths, ...], Field(min_length=1, max_length=100)]
#: Number of layers, blocks, heads or repetitions in a network.
Depth = Annotated[_Int, Field(ge=1, le=100)]
#: Depth of a decision tree.
TreeDepth = Annotated[_Int, Field(ge=1, le=30)]
#: Number of trees.
Trees = Annotated[_Int, Field(ge=1, le=100_000)]
#: Bits of a fixed-point number.
Bits = Annotated[_Int, Field(ge=1, le=32)]
#: Bits before the binary point.
IntegerBits = Annotated[_Int, Field(ge=0, le=32)]
#: Side of the kernel of a convolution in pixels.
Kernel = Annotated[_Int, Field(ge=1, le=64)]
#: Whole number of a column, of 64 bits with or without sign.
Whole = Annotated[int, Field(ge=-(2**63), le=2**64 - 1)]

#: Probability with which a unit is left out.
Dropout = Annotated[_Float, Field(ge=0, lt=1)]
#: Fraction that may be 0 or 1.
UnitFraction = Annotated[_Float, Field(ge=0, le=1)]
#: Fraction that is neither 0 nor 1, e.g. an efficiency.
InnerFraction = Annotated[_Float, Field(gt=0, lt=1)]
#: Fraction above 0, e.g. of events or features.
Share = Annotated[_Float, Field(gt=0, le=1)]
#: Number above 0.
Positive = Annotated[_Float, Field(gt=0, le=1e12)]
#: Number that is not negative.
NonNegative = Annotated[_Float, Field(ge=0, le=1e12)]
#: Any finite number.
Finite = Annotated[_Float, Field(ge=-1e300, le=1e300)]
#: Learning rate of an optimiser.
LearningRate = Annotated[_Float, Field(gt=0, le=1000)]
#: Momentum, mass or energy in GeV.
Momentum = Annotated[_Float, Field(ge=0, le=1e6)]
#: Radius of a jet or width of an image, in pseudorapidity and rad.
Radius = Annotated[_Float, Field(gt=0, le=20)]
#: Fractions of events, e.g. efficiencies of working points.
InnerFractions = Annotated[
    tuple[InnerFraction, ...], AfterValidator(_distinct), Field(min_length=1, max_length=100)
]
#: Edges of bins.
Edges = Annotated[
    tuple[Finite, ...], AfterValidator(_rising), Field(min_length=2, max_length=10_001)
]
