"""Calibrations that are fitted on the validation set, one published method a file."""
