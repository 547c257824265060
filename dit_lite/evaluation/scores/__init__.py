"""Scores of features, class probabilities and images, a file each, and how sure they
are. None of them asks a diffusion model for anything.
"""
