"""Writing of columns: streams of blocks, in a temporary file that is renamed when complete."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import awkward as ak
import pyarrow as pa
import pyarrow.parquet as pq
import uproot

from bunchtrain.errors import DataError
from bunchtrain.files import atomic_path
from bunchtrain.tables.column_types import kind, simplify

Columns: TypeAlias = "Mapping[str, Any] | ak.Array"


def write_root(path: str | os.PathLike[str], chunks: Iterable[Columns], tree: str) -> int:
    """Write blocks of columns as one TTree and return the number of entries.

    Entries keep their order, so that the tree can be a friend tree of the input:
    `events->AddFriend("scores", "scores.root")`. Columns are numbers or lists of numbers, whose
    lengths are written to a branch `n<column>`. Raises DataError for other types or without blocks.
    """
    entries, types = 0, dict[str, Any]()
    with atomic_path(path) as part, uproot.recreate(part) as file:
        for chunk in chunks:
            columns = _columns(chunk)
            if not types:
                types = {name: _branch_type(name, values) for name, values in columns.items()}
                file.mktree(tree, types)
            entries += _length(columns)
            file[tree].extend({name: _cast(columns[name], types[name]) for name in types})
        if not types:
            raise DataError(f"'{path}': there are no columns to write")
    return entries


def _columns(chunk: Columns) -> dict[str, ak.Array]:
    names = chunk.fields if isinstance(chunk, ak.Array) else list(chunk)
    return {name: simplify(ak.Array(chunk[name])) for name in names}


def _length(columns: Mapping[str, ak.Array]) -> int:
    lengths = {len(values) for values in columns.values()}
    if len(lengths) != 1:
        raise DataError(f"the columns {', '.join(columns)} differ in length: {sorted(lengths)}")
    return lengths.pop()


def _branch_type(name: str, values: ak.Array) -> Any:
    if kind(values) not in ("float", "integer", "boolean") or values.ndim > 2:
        raise DataError(f"the column '{name}' of type {values.type} cannot be a branch of a TTree")
    text = str(values.type).partition(" * ")[2].replace("unknown", "float64")
    return text if values.ndim == 2 else ak.to_numpy(values).dtype


def _cast(values: ak.Array, branch: Any) -> ak.Array:
    primitive = branch.rpartition(" * ")[2] if isinstance(branch, str) else branch
    return ak.values_astype(values, primitive)


def write_parquet(
    path: str | os.PathLike[str],
    chunks: Iterable[Columns],
    metadata: Mapping[str, str] | None = None,
) -> int:
    """Write blocks of columns as one Parquet file with metadata and return the number of rows.

    Raises DataError without blocks.
    """
    rows, writer = 0, None
    with atomic_path(path) as part:
        try:
            for chunk in chunks:
                columns = _columns(chunk)
                rows += _length(columns)
                table = _table(columns)
                table = table.replace_schema_metadata(dict(metadata)) if metadata else table
                writer = writer or pq.ParquetWriter(part, table.schema)
                writer.write_table(table.cast(writer.schema))
            if writer is None:
                raise DataError(f"'{path}': there are no columns to write")
        finally:
            if writer is not None:
                writer.close()
    return rows


def _table(columns: Mapping[str, ak.Array]) -> pa.Table:
    packed = {
        name: ak.to_packed(values) for name, values in columns.items()
    }  # Arrow needs contiguous data
    arrays = {n: ak.to_arrow(v, extensionarray=False, list_to32=True) for n, v in packed.items()}
    return pa.table(arrays)
