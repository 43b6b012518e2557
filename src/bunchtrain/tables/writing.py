"""Writing of columns: streams of blocks, in a temporary file that is renamed when complete."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.errors import DataError, UserError, one_of
from bunchtrain.files import as_path, atomic_path
from bunchtrain.tables.column_types import kind, simplify
from bunchtrain.tables.hdf5_file import new_hdf5_file

Columns: TypeAlias = "Mapping[str, Any] | ak.Array"
_Columns: TypeAlias = dict[str, ak.Array]
#: Opens a file for blocks with the columns of the first one; the result writes a block.
_Opened: TypeAlias = Callable[[Path, _Columns], AbstractContextManager[Callable[[_Columns], None]]]

#: Endings of the files that `write_table` writes → their format.
_FORMATS = {
    **{".csv": "csv", ".csv.gz": "csv", ".parquet": "parquet", ".pq": "parquet"},
    **{".h5": "hdf5", ".hdf5": "hdf5", ".root": "root"},
}


def output_format(path: str | os.PathLike[str]) -> str:
    """Return the format in which a table is written: csv, hdf5, parquet or root, by the ending.

    Raises UserError for another ending or for a folder.
    """
    file = as_path(path, "the output")
    ending = ".csv.gz" if file.name.lower().endswith(".csv.gz") else file.suffix.lower()
    if ending not in _FORMATS:
        raise UserError(f"'{file}': the name of the output must end in {one_of(_FORMATS)}")
    if file.is_dir():
        raise UserError(f"'{file}' is a folder; name a file for the output")
    return _FORMATS[ending]


def write_table(
    path: str | os.PathLike[str],
    chunks: Iterable[Columns],
    name: str,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write blocks of columns in the format of the file's ending; return the number of rows.

    Args:
        path: file that ends in .csv, .csv.gz, .h5, .hdf5, .parquet, .pq or .root.
        chunks: blocks of columns, of which the first may be empty.
        name: of the TTree in ROOT.
        metadata: key → text stored in the file, but not in CSV.

    Raises UserError for another ending, DataError for a type that the format lacks.
    """
    found = output_format(path)
    if found == "root":
        return write_root(path, chunks, name, metadata)
    if found == "parquet":
        return write_parquet(path, chunks, metadata)
    return write_hdf5(path, chunks, metadata) if found == "hdf5" else write_csv(path, chunks)


def write_root(
    path: str | os.PathLike[str],
    chunks: Iterable[Columns],
    tree: str,
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write blocks of columns as one TTree and return the number of entries.

    Entries keep their order, so that the tree can be a friend tree of the input:
    `events->AddFriend("scores", "scores.root")`. Columns are numbers or lists of numbers, whose
    lengths are written to a branch `n<column>`. Raises DataError for other types or without blocks.
    """
    import uproot

    @contextmanager
    def opened(part: Path, first: _Columns) -> Iterator[Callable[[_Columns], None]]:
        types = {name: _branch_type(name, values) for name, values in first.items()}
        with uproot.recreate(part) as file:
            file.mktree(tree, types)
            for key, text in (metadata or {}).items():
                file[key] = text
            yield lambda columns: file[tree].extend(
                {name: _cast(columns[name], types[name]) for name in types}
            )

    return _write(path, chunks, opened)


def write_parquet(
    path: str | os.PathLike[str],
    chunks: Iterable[Columns],
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write blocks of columns as one Parquet file with metadata and return the number of rows.

    Raises DataError without blocks.
    """

    @contextmanager
    def opened(part: Path, first: _Columns) -> Iterator[Callable[[_Columns], None]]:
        schema = _table(first).schema.with_metadata(dict(metadata) if metadata else None)
        with pq.ParquetWriter(part, schema) as writer:
            yield lambda columns: writer.write_table(_table(columns).cast(schema))

    return _write(path, chunks, opened)


def write_csv(path: str | os.PathLike[str], chunks: Iterable[Columns]) -> int:
    """Write blocks of flat columns as CSV with a header; return the number of rows.

    It is compressed if the name ends in .gz. Raises DataError for lists or without blocks.
    """
    from pyarrow.csv import CSVWriter

    @contextmanager
    def opened(part: Path, first: _Columns) -> Iterator[Callable[[_Columns], None]]:
        _require_flat(first, "CSV", ("float", "integer", "boolean", "text", "time"))
        schema = _table(first).schema
        compression = "gzip" if str(path).lower().endswith(".gz") else None
        with (
            pa.output_stream(str(part), compression=compression) as file,
            CSVWriter(file, schema) as writer,
        ):
            yield lambda columns: writer.write_table(_table(columns).cast(schema))

    return _write(path, chunks, opened)


def write_hdf5(
    path: str | os.PathLike[str],
    chunks: Iterable[Columns],
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write blocks of columns of numbers as HDF5; return the number of rows.

    A flat column is an array (rows,); a column of lists is a group of `values` (items,) and
    `offsets` (rows + 1,), so that `values[offsets[i]:offsets[i + 1]]` is the list of row i. Raises
    DataError for other types or without blocks.
    """

    @contextmanager
    def opened(part: Path, first: _Columns) -> Iterator[Callable[[_Columns], None]]:
        with new_hdf5_file(part) as file:
            for key, text in (metadata or {}).items():
                file[key] = text
            for name, values in first.items():
                if values.ndim != 2:
                    _require_flat({name: values}, "HDF5", ("float", "integer", "boolean"))
                    _extendable(file, name, ak.to_numpy(values).dtype)
                    continue
                items = ak.flatten(values)
                _require_flat({name: items}, "HDF5", ("float", "integer", "boolean"))
                _extendable(file, f"{name}/values", ak.to_numpy(items).dtype)
                _append(_extendable(file, f"{name}/offsets", np.dtype(np.int64)), np.zeros(1))
            yield lambda columns: _write_hdf5_block(file, {n: columns[n] for n in first})

    return _write(path, chunks, opened)


def _write_hdf5_block(file: Any, columns: _Columns) -> None:
    for name, values in columns.items():
        if values.ndim == 1:
            _append(file[name], ak.to_numpy(values))
            continue
        before = len(file[f"{name}/values"])
        _append(file[f"{name}/values"], ak.to_numpy(ak.flatten(values)))
        _append(file[f"{name}/offsets"], before + np.cumsum(ak.to_numpy(ak.num(values))))


def _extendable(file: Any, name: str, kind: Any) -> Any:
    return file.create_dataset(name, (0,), kind, chunks=(4096,), maxshape=(None,))


def _append(array: Any, values: Any) -> None:
    array.resize(len(array) + len(values), 0)
    array[len(array) - len(values) :] = values


def _write(path: str | os.PathLike[str], chunks: Iterable[Columns], opened: _Opened) -> int:
    """Write blocks to a temporary file, which is renamed when complete; return the rows."""
    rows, blocks = 0, (_columns(chunk) for chunk in chunks)
    with atomic_path(path) as part:
        first = next(blocks, None)
        if first is None:
            raise DataError(f"'{path}': there are no columns to write")
        _length(first)
        with opened(part, first) as write:
            for columns in chain([first], blocks):
                rows += _length(columns)
                write(columns)
    return rows


def _columns(chunk: Columns) -> _Columns:
    names = chunk.fields if isinstance(chunk, ak.Array) else list(chunk)
    return {name: simplify(ak.Array(chunk[name])) for name in names}


def _length(columns: Mapping[str, ak.Array]) -> int:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise DataError(f"the columns {', '.join(columns)} differ in length: {sorted(lengths)}")
    return lengths.pop()


def _require_flat(columns: _Columns, format: str, kinds: tuple[str, ...]) -> None:
    for name, values in columns.items():
        if values.ndim > 1 or kind(values) not in kinds:
            raise DataError(
                f"the column '{name}' of type {values.type.content} cannot be written to {format}; "
                "write a .parquet file"
            )


def _branch_type(name: str, values: ak.Array) -> Any:
    if kind(values) not in ("float", "integer", "boolean") or values.ndim > 2:
        raise DataError(
            f"the column '{name}' of type {values.type.content} cannot be a branch of a "
            "TTree; write a .parquet file"
        )
    text = str(values.type).partition(" * ")[2].replace("unknown", "float64")
    return text if values.ndim == 2 else ak.to_numpy(values).dtype


def _cast(values: ak.Array, branch: Any) -> ak.Array:
    primitive = branch.rpartition(" * ")[2] if isinstance(branch, str) else branch
    return ak.values_astype(values, primitive)


def _table(columns: Mapping[str, ak.Array]) -> pa.Table:
    packed = {
        name: ak.to_packed(values) for name, values in columns.items()
    }  # Arrow needs contiguous data
    packed = {n: _missing_times(v) if kind(v) == "time" else v for n, v in packed.items()}
    arrays = {n: ak.to_arrow(v, extensionarray=False, list_to32=True) for n, v in packed.items()}
    return pa.table(arrays)


def _missing_times(values: ak.Array) -> ak.Array:
    """Return times in which NaT, which Arrow takes for the year 1677, is missing."""

    def mask(layout: Any, **_: Any) -> Any:
        if not layout.is_numpy:
            return None
        missing = ak.index.Index8(np.isnat(layout.data).view(np.int8))
        return ak.contents.ByteMaskedArray(missing, layout, valid_when=False)

    return ak.transform(mask, values)
