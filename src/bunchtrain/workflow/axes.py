"""How columns are called on axes."""

from __future__ import annotations

#: Last word of a column's name → what it is called on an axis.
UNITS = {
    "pt": "$p_T$ [GeV]",
    "mass": "mass [GeV]",
    "energy": "energy [GeV]",
    "eta": r"$\eta$",
    "phi": r"$\phi$ [rad]",
}


def axis_label(column: str) -> str:
    """Return an axis label with the unit that a column's name tells."""
    prefix, _, quantity = column.rpartition("_")
    return f"{prefix} {UNITS[quantity]}".strip() if quantity in UNITS else column
