"""From scores to a binned likelihood: bins, templates with shifts, expected significance."""
