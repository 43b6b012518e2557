"""Heads: losses that define outputs of the network for a target, one published loss per file."""
