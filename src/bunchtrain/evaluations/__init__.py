"""Evaluations of finished runs, one a file: metrics with uncertainties, plots and tables."""
