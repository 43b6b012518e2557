"""Kinematics and substructure on arrays."""
