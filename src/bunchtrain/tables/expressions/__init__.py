"""Expressions on columns: grammar, functions, evaluation."""
