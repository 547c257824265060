"""From a model to a table and a card: samples, a reference, every score, and text."""
