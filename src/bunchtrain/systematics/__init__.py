"""Named systematic effects: what a shift of scale, resolution or efficiency does to the columns."""
