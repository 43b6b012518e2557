"""Metrics with errors, plots and the report."""
