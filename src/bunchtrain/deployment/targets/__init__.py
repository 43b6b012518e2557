"""Where a network can be exported to: one class a file, named in a study under `export`."""
