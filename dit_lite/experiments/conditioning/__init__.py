"""Chapter 3: how the class enters."""
