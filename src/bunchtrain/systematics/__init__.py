"""Systematic effects: shifts of scale, resolution or efficiency, applied to columns."""
