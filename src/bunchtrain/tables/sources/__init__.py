"""Sources of events that a study can name."""
