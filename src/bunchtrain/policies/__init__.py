"""Policies, which choose the actions in an environment."""
