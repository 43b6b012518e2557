"""Base of representations of texts, such as log lines, by a vocabulary of the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any, Literal

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.physics.packed import Ints
from bunchtrain.representations._representation import FittedRepresentation
from bunchtrain.tables.column_types import kind

Mask = Literal["path", "hexadecimal", "number"]
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: What is replaced by its name in capitals, in this order, in texts of small letters. A number may
#: have parts, 10.0.0.1:80 or 2024-05-31T12:00; eight or more of 0–9 and a–f are hexadecimal.
_MASKS: tuple[tuple[Mask, str], ...] = (
    ("path", r"(?:\b\w+:/)?(?:/[\w.\-+=%~]+){2,}/?"),
    ("hexadecimal", rf"\b(?:0x[0-9a-f]+|{_UUID})\b"),
    ("number", r"\b\d+(?:[.,:t/\-]\d+)*\b"),
    ("hexadecimal", r"\b[0-9a-f]{8,}\b"),
)
#: Distinct words that are counted at once; beyond it, the rarest half is forgotten.
DISTINCT = 1_000_000
#: What separates words.
_BETWEEN = r"[^\p{L}\p{N}_]+"


def split_words(texts: pa.Array, masks: Collection[str]) -> tuple[pa.Array, Ints]:
    """Return the words of all texts, concatenated, and the count of each, (texts,).

    Words are of small letters, digits and underscores; what is masked is the word PATH,
    HEXADECIMAL or NUMBER. A missing text has no words.
    """
    texts = pc.utf8_lower(pc.fill_null(texts, ""))
    for name, pattern in _MASKS:
        if name in masks:
            texts = pc.replace_substring_regex(texts, pattern, f" {name.upper()} ")
    texts = pc.utf8_trim_whitespace(pc.replace_substring_regex(texts, _BETWEEN, " "))
    lists = pc.split_pattern(texts, " ")
    counts = np.where(np.asarray(pc.equal(texts, "")), 0, np.asarray(pc.list_value_length(lists)))
    words = pc.list_flatten(lists)
    return words.filter(pc.not_equal(words, "")), counts.astype(np.int64)


class Text(FittedRepresentation):
    """Words of a column of texts as indices in a vocabulary; 0 is any other word.

    column      name of the column.
    size        number of words in the vocabulary, the most frequent of the training rows.
    mask        what is replaced by one word: numbers, hexadecimal numbers, paths.
    vocabulary  words in the order of their indices, from 1; those of the training rows if unset.
    """

    def __init__(
        self, column: str, size: int, mask: list[Mask], vocabulary: list[str] | None
    ) -> None:
        self.column, self.size, self.mask = column, size, mask
        if vocabulary is not None and len(set(vocabulary)) != len(vocabulary):
            twice = next(word for word, n in Counter(vocabulary).items() if n > 1)
            raise StudyError(f"'vocabulary' lists '{twice}' twice; leave one out")
        self.vocabulary = vocabulary

    @property
    def is_fitted(self) -> bool:
        """Whether it has a vocabulary."""
        return self.vocabulary is not None

    @property
    def indices(self) -> int:
        """Return the number of indices: the words, and 0."""
        return 1 + (self.size if self.vocabulary is None else len(self.vocabulary))

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the column of the text; DataError names the nearest if it is missing."""
        if self.column not in available:
            hint = nearest(self.column, available)
            raise DataError(f"the data have no column '{self.column}' of texts{hint}")
        return [self.column]

    def fit(self, blocks: Iterable[ak.Array]) -> dict[str, Any]:
        """Return the option `vocabulary`, the most frequent words, ties in alphabetical order.

        Raises DataError if the texts have no words.
        """
        counts: Counter[str] = Counter()
        for block in blocks:
            words, _ = self.words(block)
            for pair in pc.value_counts(words).to_pylist():
                counts[pair["values"]] += pair["counts"]
            if len(counts) > DISTINCT:
                counts = Counter(dict(counts.most_common(DISTINCT // 2)))
        if not counts:
            raise DataError(f"the texts of '{self.column}' of the training rows have no words")
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return {"vocabulary": ranked[: self.size]}

    def words(self, events: ak.Array) -> tuple[pa.Array, Ints]:
        """Return the words of all events, concatenated, and the count of each event.

        Raises DataError if the column holds no texts.
        """
        values = events[self.column]
        if not len(values):
            return pa.array([], pa.string()), np.zeros(0, np.int64)
        if kind(values) != "text" or values.ndim != 1:
            raise DataError(f"the column '{self.column}' holds no texts; name one that does")
        texts = ak.to_arrow(ak.to_packed(values), extensionarray=False)
        if pa.types.is_dictionary(texts.type):
            texts = texts.dictionary_decode()
        return split_words(texts.cast(pa.large_string()), self.mask)

    def word_indices(self, events: ak.Array) -> tuple[Ints, Ints]:
        """Return the index of each word in the vocabulary, (words,), and the counts (events,)."""
        words, counts = self.words(events)
        known = pa.array(self.vocabulary or [], words.type)
        found = pc.fill_null(pc.index_in(words, value_set=known), -1)
        return np.asarray(found, np.int64) + 1, counts
