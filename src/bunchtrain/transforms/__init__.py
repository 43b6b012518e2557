"""Transforms without fitted parameters, one a file: points to objects, and tables to tables."""
