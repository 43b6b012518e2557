"""The report of a run: one self-contained HTML file."""

from bunchtrain.report.content import ModelSummary, Plot, Report, Section, Table
from bunchtrain.report.render import render

__all__ = ["ModelSummary", "Plot", "Report", "Section", "Table", "render"]
