"""Inspection of files, and drafting of studies for them."""
