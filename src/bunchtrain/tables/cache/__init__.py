"""The event cache: events selected, weighted, split and shuffled into Arrow shards."""
