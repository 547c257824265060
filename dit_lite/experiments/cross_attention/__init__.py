"""Chapter 4: words, and whether an image keeps them."""
