"""Training: one task in, one trained model out, on one of several engines."""
