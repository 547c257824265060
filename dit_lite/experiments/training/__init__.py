"""Chapter 7: what makes a run faster or more stable."""
