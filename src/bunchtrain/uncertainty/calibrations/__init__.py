"""Calibrations fitted on the validation set, one published method per file."""
