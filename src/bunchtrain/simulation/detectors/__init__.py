"""What simulated detectors share: materials, layers, cells, incident particles, hits."""
