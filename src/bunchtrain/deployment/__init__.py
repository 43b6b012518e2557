"""From a trained network to where it must run: each export proves itself on the spot."""
