"""Projects for high-level synthesis by a vendor's tool, by way of hls4ml."""
