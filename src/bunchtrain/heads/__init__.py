"""One published loss a file."""
