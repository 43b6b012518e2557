"""Particle transport by Geant4 in child processes, which alone import it."""
