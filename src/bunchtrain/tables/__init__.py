"""Files and jagged arrays: readers, expressions, weights, splits and the training cache."""
