"""What the generators are made of: collisions, detector response, jets, and files made in parts."""
