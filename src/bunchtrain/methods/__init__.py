"""How trained models are built from networks, heads and penalties, and their losses summed."""
