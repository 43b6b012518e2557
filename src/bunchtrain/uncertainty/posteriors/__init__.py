"""Distributions of a model's weights, one published method a file."""
