"""Layers whose weights or masks are drawn."""
