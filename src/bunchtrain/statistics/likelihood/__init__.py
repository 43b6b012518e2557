"""Binned likelihood of a score: binning, templates with systematics, expected significance."""
