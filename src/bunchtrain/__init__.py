"""From a ROOT file to a trained, calibrated, explained network."""

__version__ = "0.1.0"
