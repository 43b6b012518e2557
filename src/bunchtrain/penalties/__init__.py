"""Penalties: terms of the loss without outputs, such as decorrelation from a column."""
