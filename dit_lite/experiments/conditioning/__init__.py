"""Chapter 3: how the class reaches the network."""
