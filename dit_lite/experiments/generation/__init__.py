"""Chapter 9: guidance, samplers and scores."""
