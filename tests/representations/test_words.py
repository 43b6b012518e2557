"""Words of texts: masks, vocabulary, indices and counts."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.representations._text import split_words

ALL = ("path", "hexadecimal", "number")
LINES = ["disk full", "Disk failed at 0x1F", "disk full: 3 errors", ""]


def words(**options):
    return parts.build("representation", "words", {"column": "line", **options})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Error in 10.0.0.1:80, [3010]", "error in NUMBER NUMBER"),
        ("at 2019-10-05T13:28:30.5 id_12", "at NUMBER id_12"),
        ("open /p/gb1/stella failed", "open PATH failed"),
        ("srm://host.cern.ch/data/a.root!", "PATH"),
        ("0x1fF8 deadbeef99 123e4567-e89b-12d3-a456-426614174000", "HEXADECIMAL " * 3),
        ("Größe und/oder π", "größe und oder π"),
        ("  ... ", ""),
        (None, ""),
    ],
)
def test_numbers_and_paths_are_masked(text, expected):
    found, counts = split_words(pa.array([text, "b"], pa.string()), ALL)
    assert found.to_pylist() == [*expected.split(), "b"]
    assert counts.tolist() == [len(expected.split()), 1]


def test_masks_are_options():
    found, _ = split_words(pa.array(["code 42 of /a/b"]), ("path",))
    assert found.to_pylist() == ["code", "42", "of", "PATH"]


def test_the_vocabulary_has_the_most_frequent_words_of_the_training():
    block = ak.Array({"line": LINES})
    unfitted = words(size=3)
    assert not unfitted.is_fitted
    fitted = unfitted.fit([block[:2], block[2:]])
    assert fitted == {"vocabulary": ["disk", "full", "HEXADECIMAL"]}  # ties are alphabetical
    found = words(size=3, **fitted)
    assert found.is_fitted
    assert found.embedding == (4, 16)
    tensors = found(block)
    assert tensors["words"].tolist() == [1, 2, 1, 0, 0, 3, 1, 2, 0, 0]
    assert tensors["lengths"].tolist() == [2, 4, 4, 0]


def test_the_memory_of_the_fit_is_bounded(monkeypatch):
    monkeypatch.setattr("bunchtrain.representations._text.DISTINCT", 10)
    blocks = [ak.Array({"line": ["the disk is", f"id_{k} the disk"]}) for k in range(100)]
    assert words(size=2, mask=[]).fit(blocks) == {"vocabulary": ["disk", "the"]}


def test_the_first_words_of_a_long_text_are_kept():
    tensors = words(length=3, vocabulary=["disk"])(ak.Array({"line": LINES}))
    assert tensors["lengths"].tolist() == [2, 3, 3, 0]
    assert tensors["words"].tolist() == [1, 0, 1, 0, 0, 1, 0, 0]


def test_counts_of_words():
    found = parts.build(
        "representation", "word_counts", {"column": "line", "vocabulary": ["disk", "NUMBER"]}
    )
    assert found.names == {"table": ["(other)", "disk", "NUMBER"]}
    block = ak.Array({"line": [*LINES, "disk disk"]})
    table = found(block)["table"]
    assert table.tolist() == [[1, 1, 0], [3, 1, 0], [2, 1, 1], [0, 0, 0], [0, 2, 0]]


def test_categories_are_texts_too():
    column = ak.str.to_categorical(ak.Array(["full disk", "disk", "full disk"]))
    tensors = words(vocabulary=["disk"])(ak.Array({"line": column}))
    assert tensors["words"].tolist() == [0, 1, 1, 0, 1]


def test_columns_and_vocabularies_that_do_not_fit():
    with pytest.raises(DataError, match=r"no column 'line' of texts.*'lines'"):
        words().columns(["lines"])
    with pytest.raises(DataError, match="the column 'line' holds no texts"):
        words()(ak.Array({"line": np.ones(3)}))
    with pytest.raises(DataError, match="the texts of 'line' of the training rows have no words"):
        words().fit([ak.Array({"line": ["", "..."]})])
    with pytest.raises(StudyError, match="'vocabulary' lists 'a' twice"):
        words(vocabulary=["a", "b", "a"])
