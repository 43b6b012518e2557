"""Transforms of tables without fitted parameters: rows of an object, windows of a series."""
