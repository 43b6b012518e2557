"""Export targets: one class a file, named in a study under `export`."""
