"""Statistics: metrics with errors, bootstrap, combination, decorrelation, likelihood."""
