"""Models that are fitted in one call, not by gradient: trees, linear models, binned corrections."""
