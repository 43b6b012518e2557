"""Columns of the boosted-jet samples, as awkward types and as an Arrow schema."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pyarrow as pa

FIELDS = {
    "event_id": "int64",
    "is_top": "bool",
    "jet_pt": "float32",
    "jet_eta": "float32",
    "jet_phi": "float32",
    "jet_mass": "float32",
    "truth_pt": "float32",
    "constituent_px": "var * float32",
    "constituent_py": "var * float32",
    "constituent_pz": "var * float32",
    "constituent_energy": "var * float32",
    "constituent_charge": "var * int8",
}


def to_table(jets: ak.Array) -> pa.Table:
    """Return the columns of `FIELDS` as a table without missing values."""
    columns = [_column(jets[name], kind) for name, kind in FIELDS.items()]
    fields = [
        pa.field(name, column.type, nullable=False)
        for name, column in zip(FIELDS, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _column(values: ak.Array, kind: str) -> pa.Array:
    jagged, number = kind.startswith("var * "), np.dtype(kind.removeprefix("var * "))
    if not jagged:
        return pa.array(ak.to_numpy(values).astype(number))
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(values)))])
    flat = pa.array(ak.to_numpy(ak.flatten(values)).astype(number))
    item = pa.list_(pa.field("item", flat.type, nullable=False))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=item)
