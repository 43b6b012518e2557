"""Penalties: terms of the loss beside the heads, one a file, as independence of a column."""
