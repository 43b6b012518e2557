"""ROOT files, read with uproot: the branches of a TTree, the fields of an RNTuple."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import awkward as ak
import uproot

from bunchtrain.errors import DataError
from bunchtrain.tables.metadata import KEY
from bunchtrain.tables.reading.file_table import FileTable, read_errors
from bunchtrain.tables.reading.paths import openable
from bunchtrain.tables.units import unit_in_title


def tables(path: str) -> list[str]:
    """Return the names of the TTrees and RNTuples of a file."""
    with read_errors(path), _open(path) as file:
        kinds = file.classnames(cycle=False)
        return [name for name, what in kinds.items() if what in ("TTree", "ROOT::RNTuple")]


def _open(path: str) -> Any:
    # Chunks are read once: a cache of arrays would only use memory.
    file = uproot.open(openable(path), array_cache=None)
    size, end = file.file.source.num_bytes, file.file.fEND
    if size is not None and size < end:
        raise DataError(f"{path} is truncated: it has {size:,} of {end:,} bytes")
    return file


def open_table(path: str, name: str) -> FileTable:
    """Return a tree of a ROOT file."""
    return RootTable(path, name)


def _type_of_numbers(interpretation: Any) -> str:
    """Return a name of the type of a branch of numbers or lists of numbers, '' of another one."""
    is_list = isinstance(interpretation, uproot.AsJagged)
    content = interpretation.content if is_list else interpretation
    is_number = isinstance(content, uproot.AsDtype) and content.to_dtype.names is None
    return str(interpretation.cache_key) if is_number else ""


class RootTable(FileTable):
    """A TTree, whose columns are its leaf branches, or an RNTuple."""

    def __init__(self, path: str, name: str) -> None:
        with read_errors(path):
            self._file = _open(path)
            tree = self._file[name]
            super().__init__(path, name, int(tree.num_entries))
            self._tree, self._branches = tree, dict[str, Any]()
            if isinstance(tree, uproot.TTree):
                self._declare_branches(tree)
            else:
                self._declare_fields(tree)

    def _metadata_text(self) -> str:
        is_there = KEY in self._file.keys(cycle=False, recursive=False)
        return str(self._file[KEY]) if is_there else ""

    def _stored_units(self) -> dict[str, str]:
        titles = {name: str(branch.title) for name, branch in self._branches.items()}
        return {name: unit for name, title in titles.items() if (unit := unit_in_title(title))}

    def _declare_branches(self, tree: Any) -> None:
        leaves = [branch for branch in tree.itervalues(recursive=True) if not branch.branches]
        counts = Counter(branch.name for branch in leaves)
        first = dict[str, str]()  # of the columns of each type of numbers: wide trees have few
        for branch in leaves:
            column = branch.name.partition("[")[0]
            if counts[branch.name] > 1:
                self.unreadable[column] = "several branches have this name"
                continue
            numbers = _type_of_numbers(branch.interpretation)
            if numbers in first and not self.has(column):
                self._branches[column] = branch
                self.declare_like(column, first[numbers])
                continue
            try:
                empty = branch.interpretation.awkward_form(branch.file).length_zero_array()
            except Exception as problem:
                self.unreadable[column] = str(problem).strip().partition("\n")[0][:120]
                continue
            self._branches[column] = branch
            self.declare(column, ak.Array(empty))
            if numbers and column in self.types:
                first[numbers] = column

    def _declare_fields(self, tree: Any) -> None:
        form = tree.to_akform()
        form = form[0] if isinstance(form, tuple) else form
        for name, content in zip(form.fields, form.contents, strict=True):
            self.declare(name, ak.Array(content.length_zero_array()))

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        stop = (self.entries or 0) if stop is None else stop
        if start == stop:
            return
        if self._branches and stop - start <= rows:
            yield {field: self._one(field, start, stop) for field in fields}
            return
        names = {f: str(self._branches[f].name) if self._branches else f for f in fields}
        for chunk in self._tree.iterate(
            **self._filter(fields), step_size=rows, entry_start=start, entry_stop=stop, library="ak"
        ):
            yield {field: chunk[name] for field, name in names.items()}

    def _one(self, field: str, start: int, stop: int) -> ak.Array:
        """Return one block of a branch without uproot's search by name, slow in wide trees."""
        branch = self._branches[field]
        return branch.array(entry_start=start, entry_stop=stop, library="ak")

    def _filter(self, fields: list[str]) -> dict[str, Any]:
        if not self._branches:
            return {"filter_name": lambda name: name.partition(".")[0] in fields}
        selected = {id(self._branches[field]) for field in fields}
        return {"filter_branch": lambda branch: id(branch) in selected}
