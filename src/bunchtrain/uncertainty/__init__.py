"""What a network does not know: distributions of weights, and calibration of what it says."""
