"""Words of a text, such as a log line, in their order."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.parts.ranges import PointCount, Width
from bunchtrain.physics.packed import positions
from bunchtrain.representations._representation import Size
from bunchtrain.representations._text import Mask, Text


class Words(Text):
    """Indices of the words of a text, (words,): the tensor `words`, with `lengths`.

    Networks on `features` of points take it: they learn a vector for each index of the vocabulary.
    `recurrent_network` and `p_cnn` see the order of the words, `particle_flow_network` does not.

    column      name of the column of texts.
    size        largest number of words in the vocabulary, the most frequent of the training rows.
    length      largest number of words of a text; the first are kept.
    embedding   size of the vector of each word.
    mask        what is replaced by one word: numbers, hexadecimal numbers, paths.
    vocabulary  words in the order of their indices, from 1; 0 is any other word. If unset, the
                training finds it and stores it with the network.
    """

    no_inverse = "numbers and rare words of the text are not in the tensors"

    def __init__(
        self,
        *,
        column: str,
        size: Width = 1000,
        length: PointCount = 64,
        embedding: Width = 16,
        mask: list[Mask] = ["path", "hexadecimal", "number"],  # noqa: B006 - never changed
        vocabulary: list[str] | None = None,
    ) -> None:
        super().__init__(column, size, mask, vocabulary)
        self.length, self.width = length, embedding
        self.normalise = "none"

    @property
    def embedding(self) -> tuple[int, int]:
        """Return the number of indices of `words` and the size of their vectors."""
        return self.indices, self.width

    @property
    def sizes(self) -> dict[str, Size]:
        """Return those of an index of each word, and of the count of each text."""
        return {"words": (), "lengths": ()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return nothing: the tensors have no columns."""
        return {}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `words` (words,) and `lengths` (batch,)."""
        index, counts = self.word_indices(events)
        kept = index[positions(counts) < self.length]
        return {"words": kept, "lengths": np.minimum(counts, self.length)}
