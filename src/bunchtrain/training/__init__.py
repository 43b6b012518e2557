"""Lightning module, data module, engines and search."""
