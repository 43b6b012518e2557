"""The report of a run: one self-contained HTML file."""

from bunchtrain.evaluation.report.render import render
from bunchtrain.evaluation.report.report import Member, Plot, Report, Table

__all__ = ["Member", "Plot", "Report", "Table", "render"]
