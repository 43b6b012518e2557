"""Transforms of predictions and points without fitted parameters, one a file: points to objects."""
