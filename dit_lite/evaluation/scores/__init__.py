"""Scores of features, class probabilities and images, one file each, and their
uncertainty. None of them needs a diffusion model.
"""
