"""One study from start to finish."""
