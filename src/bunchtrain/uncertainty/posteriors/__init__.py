"""Distributions of a model's weights, one published method per file."""
