"""Chapter 1: paths, targets and samplers."""
