"""Penalties: terms of the loss without outputs of their own, such as decorrelation from a column."""
