"""Columns of the samples, as awkward types and as an Arrow schema."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pyarrow as pa

JET = dict.fromkeys(("jet_pt", "jet_eta", "jet_phi", "jet_mass"), "float32")
CONSTITUENTS = {
    "constituent_px": "var * float32",
    "constituent_py": "var * float32",
    "constituent_pz": "var * float32",
    "constituent_energy": "var * float32",
    "constituent_charge": "var * int8",
}


def _jet_columns(label: str, kind: str) -> dict[str, str]:
    return {"event_id": "int64", label: kind, **JET, "truth_pt": "float32", **CONSTITUENTS}


BOOSTED_JETS = _jet_columns("is_top", "bool")
W_JETS = _jet_columns("is_w", "bool")
TRIGGER_JETS = _jet_columns("label", "int8")
CALIBRATION_JETS = {
    "event_id": "int64",
    "weight": "float32",
    **{f"true_{name}": "float32" for name in ("pt", "eta", "phi", "mass")},
    **JET,
    **CONSTITUENTS,
}
TRACKS = {
    "track_pt": "var * float32",
    "track_eta": "var * float32",
    "track_phi": "var * float32",
    "track_charge": "var * int8",
    "track_d0": "var * float32",
    "track_d0_significance": "var * float32",
    "track_z0": "var * float32",
    "track_z0_significance": "var * float32",
    "track_pt_fraction": "var * float32",
    "track_dr": "var * float32",
}
TRACK_TRUTH = {"track_origin": "var * int8", "track_vertex": "var * int16"}
B_JETS = {
    "event_id": "int64",
    "flavour": "int8",
    **JET,
    "hadron_pt": "float32",
    **TRACKS,
    **TRACK_TRUTH,
}
TTH_EVENTS = {
    "event_id": "int64",
    "is_tth": "bool",
    **{f"lepton_{name}": "float32" for name in ("pt", "eta", "phi")},
    "lepton_charge": "int8",
    "lepton_is_muon": "bool",
    "missing_pt": "float32",
    "missing_phi": "float32",
    **{f"jet_{name}": "var * float32" for name in ("pt", "eta", "phi", "mass")},
    "jet_tag": "var * bool",
    "jet_flavour": "var * int8",
    **{f"particle_{name}": "var * float32" for name in ("px", "py", "pz", "energy")},
    "particle_charge": "var * int8",
    "particle_kind": "var * int8",
}
PILE_UP_JETS = {
    "event_id": "int64",
    "pile_up": "int16",
    "weight": "float32",
    **{f"jet_{name}": "var * float32" for name in ("pt", "eta", "phi", "mass", "visible_pt")},
    **{f"particle_{name}": "var * float32" for name in ("px", "py", "pz", "energy")},
    "particle_charge": "var * int8",
    "particle_kind": "var * int8",
    "particle_vertex": "var * int8",
    "particle_hard": "var * bool",
    "particle_jet": "var * int16",
}
RESONANCES = {
    "event_id": "int64",
    "is_signal": "bool",
    "mass": "float32",
    **{f"lepton_{name}": "float32" for name in ("pt", "eta", "phi")},
    "missing_pt": "float32",
    "missing_phi": "float32",
    **{f"jet_{name}": "var * float32" for name in ("pt", "eta", "phi")},
    "jet_is_b": "var * bool",
}


def to_table(events: ak.Array, fields: dict[str, str]) -> pa.Table:
    """Return these columns as a table without missing values."""
    columns = [_column(events[name], kind) for name, kind in fields.items()]
    described = [
        pa.field(name, column.type, nullable=False)
        for name, column in zip(fields, columns, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(described))


def _column(values: ak.Array, kind: str) -> pa.Array:
    jagged, dtype = kind.startswith("var * "), np.dtype(kind.removeprefix("var * "))
    if not jagged:
        return pa.array(ak.to_numpy(values).astype(dtype))
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(values)))])
    flat = pa.array(ak.to_numpy(ak.flatten(values)).astype(dtype))
    item = pa.list_(pa.field("item", flat.type, nullable=False))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat, type=item)
