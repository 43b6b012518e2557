"""Published architectures as torch modules, one per file."""
