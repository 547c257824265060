"""Chapter 4: captions, and whether images follow them."""
