"""Networks with fixed-point weights and activations, for firmware."""
