"""What representations share: groups of columns, points, image steps, neighbours, normalisation."""
