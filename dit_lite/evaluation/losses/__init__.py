"""How good a model is by its loss on real images, without sampling."""
