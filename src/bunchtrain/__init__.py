"""From a ROOT file to a trained, calibrated, explained network."""
