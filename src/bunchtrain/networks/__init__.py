"""One published architecture a file; plain torch modules."""
