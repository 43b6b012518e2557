"""The report of a run: one self-contained HTML file."""

from bunchtrain.report.content import Member, Plot, Report, Table
from bunchtrain.report.render import render

__all__ = ["Member", "Plot", "Report", "Table", "render"]
