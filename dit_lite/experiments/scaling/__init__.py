"""Chapter 6: what size, data and compute buy."""
