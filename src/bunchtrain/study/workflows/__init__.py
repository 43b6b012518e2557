"""Workflows: parts that return several stages of a study from their options."""
