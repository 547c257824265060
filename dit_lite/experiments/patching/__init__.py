"""Chapter 2: patches and positions."""
