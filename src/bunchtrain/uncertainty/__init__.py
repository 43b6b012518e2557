"""Uncertainty of predictions: distributions of the weights, and calibrations."""
