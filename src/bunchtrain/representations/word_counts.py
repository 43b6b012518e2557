"""Counts of the words of a text, such as a log line: a bag of words."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.parts.ranges import Width
from bunchtrain.physics.packed import jet_index
from bunchtrain.representations._representation import Size
from bunchtrain.representations._text import Mask, Text
from bunchtrain.representations.table import ConditionalTable


class WordCounts(Text, ConditionalTable):
    """How often each word of a vocabulary is in a text: `table` (batch, words).

    For trees, linear classifiers and the methods on tables: the classical baseline of networks on
    the representation `words`. The first column counts words that are not in the vocabulary.

    column      name of the column of texts.
    size        largest number of words in the vocabulary, the most frequent of the training rows.
    mask        what is replaced by one word: numbers, hexadecimal numbers, paths.
    vocabulary  words in the order of their columns; if unset, the training finds it and stores it
                with the model.
    """

    def __init__(
        self,
        *,
        column: str,
        size: Width = 1000,
        mask: list[Mask] = ["path", "hexadecimal", "number"],  # noqa: B006 - never changed
        vocabulary: list[str] | None = None,
    ) -> None:
        super().__init__(column, size, mask, vocabulary)
        self.normalise = "none"
        self.set_condition(None)

    @property
    def table_names(self) -> list[str]:
        """Return the words; before the fit, their indices."""
        words = self.vocabulary
        return ["(other)", *(map(str, range(1, self.indices)) if words is None else words)]

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of words."""
        return {"table": self.indices}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `table` (batch, words)."""
        index, counts = self.word_indices(events)
        cell = jet_index(counts) * self.indices + index
        table = np.bincount(cell, minlength=len(counts) * self.indices)
        return {"table": table.reshape(len(counts), self.indices).astype(np.float32)}
