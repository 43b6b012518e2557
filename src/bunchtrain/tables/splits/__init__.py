"""Ways to divide events into training, validation and test sets."""
