"""Models that are fit in one call, not by gradient: trees, linear models, binned corrections."""
