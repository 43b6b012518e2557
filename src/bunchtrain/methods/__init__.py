"""Methods: construction of networks from their parts, their tasks and the sum of their losses."""
